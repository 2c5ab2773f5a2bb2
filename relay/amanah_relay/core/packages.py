"""Key packages: session frames, not logged; each is handed out once (`protocol.md` section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from amanah_protocol import frames
from amanah_protocol.errors import AmanahError, Code, DecodeError, RefusedError
from amanah_protocol.identity import MEMBER_ROLES, Certificate, Role
from amanah_protocol.limits import MAX_FRAME_BYTES, MAX_KEY_PACKAGES
from amanah_protocol.types import DeviceId
from amanah_relay.core.checks import check_valid, is_revoked, is_rooted
from amanah_relay.core.clients import Client
from amanah_relay.core.parts import Books, Parts
from amanah_relay.core.pending import PackagesOffer, PackagesTake
from amanah_relay.effects import PutKeyPackages, TakeKeyPackages
from amanah_relay.inputs import KeyPackagesPut, KeyPackagesTaken
from amanah_relay.quotas import Claim, Rate, Scope

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 86_400_000
_DEVICE_BYTES: Final = 48
_ANSWER_BYTES: Final = MAX_FRAME_BYTES - 1_024


def offer(parts: Parts, client: Client, frame: frames.OfferKeyPackages, now_ms: int) -> None:
    """Fill the stock of the device that offers.

    Raises:
        AmanahError: `ROLE`, `SUITE`, `QUOTA` or `RATE`, or why the device may do nothing now.
    """
    parts.check_open()
    books = parts.loaded()
    certificate = check_valid(books.state, client.device, books.at_ms(now_ms))
    if certificate.role not in MEMBER_ROLES:
        raise RefusedError(Code.ROLE, f"a {certificate.role.name.lower()} cannot be a member")
    if frame.suite not in certificate.suites:
        raise RefusedError(Code.SUITE, "the certificate does not name this suite")
    stock = client.stock.get(frame.suite, 0)
    if stock + len(frame.packages) > MAX_KEY_PACKAGES:
        raise RefusedError(Code.QUOTA, f"{stock} key packages of at most {MAX_KEY_PACKAGES} are here")
    rate = Rate(per_ms=parts.limits.key_package_offers_per_minute / 60_000, burst=parts.limits.key_package_offers_burst)
    parts.quotas.charge([Claim(Scope.PACKAGE_OFFERS, client.device, rate)], now_ms)
    number = len(frame.packages)
    token = parts.ask(PackagesOffer(client=client, request=frame.request, suite=frame.suite, number=number))
    # Counted before the store has answered, so that offers in a row do not pass the bound together.
    client.stock[frame.suite] = stock + number
    parts.out.add(
        PutKeyPackages(
            token=token,
            device=client.device,
            suite=frame.suite,
            packages=frame.packages,
            last_resort=frame.last_resort,
        )
    )


def answer_offer(parts: Parts, question: PackagesOffer, put: KeyPackagesPut) -> None:
    """The store has the packages."""
    if parts.knows(question.client):
        question.client.stock[question.suite] = put.left
        parts.out.send(question.client.session, frames.Done(request=question.request))


def fail_offer(parts: Parts, question: PackagesOffer, error: AmanahError) -> None:
    """The store could not say that it has the packages; the next offer's answer counts them."""
    client = question.client
    if parts.knows(client):
        client.stock[question.suite] = max(0, client.stock[question.suite] - question.number)
        parts.out.refuse(client.session, question.request, error)


def take(parts: Parts, client: Client, frame: frames.TakeKeyPackages, now_ms: int) -> None:
    """Ask the store for one package of each device that can be added to a room.

    Raises:
        AmanahError: `ROLE`, `RATE` or `BAD_TYPE`, or why the device may do nothing now.
    """
    parts.check_open()
    books = parts.loaded()
    certificate = check_valid(books.state, client.device, books.at_ms(now_ms))
    if certificate.role is not Role.OFFICER:
        raise RefusedError(Code.ROLE, "only officers add members")
    asked = tuple(DeviceId(device) for device in frame.devices)
    if len(set(asked)) != len(asked):
        raise DecodeError(Code.BAD_TYPE, "each device is named once")
    wanted = tuple(device for device in asked if _can_be_added(books, device, books.at_ms(now_ms)))
    parts.quotas.charge(_claims(parts, certificate, wanted), now_ms)
    if not wanted:
        none = [frames.TakenPackage(device=device, package=None, last_resort=False) for device in asked]
        _give(parts, client, frame.request, none)
        return
    token = parts.ask(PackagesTake(client=client, request=frame.request, suite=frame.suite, asked=asked, taken=wanted))
    parts.out.add(TakeKeyPackages(token=token, suite=frame.suite, devices=wanted))


def answer_take(parts: Parts, question: PackagesTake, taken: KeyPackagesTaken, now_ms: int) -> None:
    """The store has handed packages out."""
    found: dict[DeviceId, tuple[bytes, bool]] = {}
    for device, (package, last_resort, left) in zip(question.taken, taken.taken, strict=True):
        owner = parts.clients.online(device)
        stock = None if owner is None else owner.low_stock(question.suite, left, parts.limits.low_stock)
        if owner is not None and stock is not None:
            parts.out.send(owner.session, stock)
        if package is not None and not (last_resort and _had_last_resort(parts, question.client, device, now_ms)):
            found[device] = (package, last_resort)
    if not parts.knows(question.client):
        return
    packages = [
        frames.TakenPackage(device=device, package=package, last_resort=last_resort)
        for device in question.asked
        for package, last_resort in [found.get(device, (None, False))]
    ]
    _give(parts, question.client, question.request, packages)


def _give(parts: Parts, client: Client, request: int, packages: Sequence[frames.TakenPackage]) -> None:
    """Answer in the order asked, in as many frames as it needs."""
    part: list[frames.TakenPackage] = []
    size = 0
    for taken in packages:
        size += _DEVICE_BYTES + len(taken.package or b"")
        if size > _ANSWER_BYTES:
            parts.out.send(client.session, frames.KeyPackages(request=request, packages=tuple(part)))
            part, size = [], _DEVICE_BYTES + len(taken.package or b"")
        part.append(taken)
    parts.out.send(client.session, frames.KeyPackages(request=request, packages=tuple(part)))


def _can_be_added(books: Books, device: DeviceId, at_ms: int) -> bool:
    found = books.state.devices.get(device)
    if found is None or is_revoked(books.state, found) or found.certificate.role not in MEMBER_ROLES:
        return False
    valid = found.certificate.not_before_ms <= at_ms <= found.certificate.not_after_ms
    return valid and is_rooted(books.state, found.certificate)


def _claims(parts: Parts, certificate: Certificate, wanted: tuple[DeviceId, ...]) -> list[Claim]:
    limits = parts.limits
    requests = Rate(per_ms=limits.key_package_requests_per_minute / 60_000, burst=limits.key_package_requests_burst)
    hourly = limits.key_packages_per_organisation_hour
    per_target = limits.key_packages_per_target_hour
    of_target = Rate(per_ms=per_target / _HOUR_MS, burst=per_target)
    return [
        Claim(Scope.PACKAGE_REQUESTS, certificate.device_id, requests),
        Claim(
            Scope.PACKAGES_OF_ORGANISATION,
            certificate.organisation,
            Rate(per_ms=hourly / _HOUR_MS, burst=hourly),
            len(wanted),
        ),
        # By taker and target: one organisation cannot use up what another one needs (attack 21).
        *(Claim(Scope.PACKAGES_OF_TARGET, device + certificate.organisation.encode(), of_target) for device in wanted),
    ]


def _had_last_resort(parts: Parts, client: Client, device: DeviceId, now_ms: int) -> bool:
    """Whether this adder got the device's last-resort package today already; notes that it gets it now."""
    per_day = parts.limits.last_resort_per_day
    claim = Claim(Scope.LAST_RESORT, device + client.device, Rate(per_ms=per_day / _DAY_MS, burst=per_day))
    if not parts.quotas.has(claim, now_ms):
        return True
    parts.quotas.charge([claim], now_ms)
    return False
