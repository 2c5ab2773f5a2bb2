"""Own key packages: secrets are stored before the public halves leave, and the stock is kept full."""

from __future__ import annotations

from typing import Final

from amanah_client import effects as e
from amanah_client.core.context import Context
from amanah_client.core.gate import blocked
from amanah_client.core.requests import Offered
from amanah_protocol import limits
from amanah_protocol.errors import Code
from amanah_protocol.frames import OfferKeyPackages
from amanah_protocol.group.seam import OwnKeyPackage
from amanah_protocol.group.suites import SUPPORTED
from amanah_protocol.identity import MEMBER_ROLES

LOW: Final = 50
FULL: Final = limits.MAX_KEY_PACKAGES
AGAIN_MS: Final = 30_000
SOON_MS: Final = 5_000
MOST_OFFERS: Final = 8
"""Then a pause follows."""
MAX_SECRETS: Final = 1_000
"""Secrets that are kept; the oldest were handed out long ago, or lost on the way."""
_OFFER_BYTES: Final = limits.MAX_FRAME_BYTES - 8 * limits.KIB


def fill(ctx: Context) -> None:
    """Offer what is missing, where the relay holds fewer than fifty of a suite."""
    session = ctx.session
    # Who was removed for its silence shows by fresh ones that it is back: they are handed out first.
    low = FULL if any(room.row.lapsed for room in ctx.rooms.values()) else LOW
    if ctx.certificate.role not in MEMBER_ROLES or ctx.timer_ms < session.offer_at_ms or blocked(ctx) is not None:
        return
    for suite in SUPPORTED:
        if suite not in ctx.certificate.suites or session.stock.get(suite, 0) >= low:
            continue
        if not any(asked.purpose == Offered(suite=suite) for asked in session.requests.values()):
            _offer(ctx, suite)
            session.offers += 1
    if session.offers >= MOST_OFFERS:
        # A relay that says again and again that it has none left must not keep us making them.
        session.offers, session.offer_at_ms = 0, ctx.timer_ms + AGAIN_MS


def freshen(ctx: Context) -> None:
    """This device was removed while it is here: one package that is made now shows it, however many there are."""
    session = ctx.session
    session.stock = {suite: min(left, FULL - 1) for suite, left in session.stock.items()}


def _offer(ctx: Context, suite: int) -> None:
    last_resort = _make(ctx, suite, last_resort=True)
    left = FULL - ctx.session.stock.get(suite, 0)
    chosen: list[bytes] = []
    size = len(last_resort.public)
    while len(chosen) < left:
        package = _make(ctx, suite, last_resort=False)
        size += len(package.public) + 8
        chosen.append(package.public)
        if size > _OFFER_BYTES - limits.MAX_KEY_PACKAGE_BYTES:
            break  # the next offer brings the rest
    ctx.session.stock[suite] = ctx.session.stock.get(suite, 0) + len(chosen)
    ctx.ask(
        Offered(suite=suite),
        lambda number: OfferKeyPackages(
            request=number, suite=suite, packages=tuple(chosen), last_resort=last_resort.public
        ),
    )


def _make(ctx: Context, suite: int, *, last_resort: bool) -> OwnKeyPackage:
    package = ctx.engines[suite].make_key_package(
        ctx.key, ctx.credential, now_ms=ctx.now_ms, last_resort=last_resort, random=ctx.random
    )
    if len(ctx.packages) >= MAX_SECRETS:
        oldest = next(iter(ctx.packages))
        del ctx.packages[oldest]
        ctx.write(e.DropKeyPackage(reference=oldest))
    ctx.packages[package.reference] = package.private
    ctx.write(e.PutKeyPackage(reference=package.reference, private=package.private))
    return package


def spend(ctx: Context, reference: bytes) -> None:
    """A welcome used it: no second one is opened with it, whoever was handed it too (attack 20)."""
    del ctx.packages[reference]
    ctx.write(e.DropKeyPackage(reference=reference))


def refused(ctx: Context, purpose: Offered, code: str, retry_after_ms: int | None) -> None:
    """The relay took none: what it has no room for is not offered again on this connection."""
    session = ctx.session
    if code == Code.QUOTA and any(room.row.lapsed for room in ctx.rooms.values()):
        # Whoever looks whether it is back takes one, and makes room for a fresh one.
        session.stock[purpose.suite], session.offer_at_ms = FULL - 1, ctx.timer_ms + SOON_MS
    elif code == Code.QUOTA:
        session.stock[purpose.suite] = FULL
    else:
        session.stock[purpose.suite] = 0
        session.offer_at_ms = ctx.timer_ms + max(retry_after_ms or 0, AGAIN_MS)
