"""What `doctor` looks at: one profile and its connection, each check with what to do about it."""

from __future__ import annotations

import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from amanah_client import model
from amanah_client.home import Profile
from amanah_client.room import Room
from amanah_client.sdk import Client
from amanah_client.standing import EVIDENCE_HINT, Standing, standing_of
from amanah_client.transport import roster_address
from amanah_protocol import limits
from amanah_protocol.errors import MEANINGS, AmanahError, Code
from amanah_protocol.heads import verify_control_head
from amanah_protocol.identity import decode_certificate, decode_enrolment
from amanah_protocol.roster import (
    Relay,
    Roster,
    decode_roster,
    signing_organisations,
    verify_certificate,
    verify_roster,
)

_DAY_MS: Final = 86_400_000
_CERTIFICATE_WARN_MS: Final = 14 * _DAY_MS
_ENROLMENT_WARN_MS: Final = 30 * _DAY_MS
_ROSTER_WARN_MS: Final = 30 * _DAY_MS
_HEAD_WARN_MS: Final = 10 * limits.HEAD_INTERVAL_MS
_PACKAGES_WARN: Final = 10
_DISK_WARN_BYTES: Final = 256 * limits.MIB
_DISK_FAIL_BYTES: Final = 16 * limits.MIB
_BROKEN_LOG: Final = frozenset({
    Code.FORK, Code.LOG_ROLLBACK, Code.PROOF, Code.CHECKPOINT, Code.RECEIPT, Code.VOIDED_APPEARED, Code.ROLLBACK,
})  # fmt: skip
"""Alarms after which the record itself is in doubt."""
_PROOF_HINT: Final = (
    "a proof does not hold, or is owed: the alarms say which; keep the evidence, ask the relay's operator"
)
"""What the code itself says of a proof that was given would be too much where none was."""


class State(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check.

    Attributes:
        name: What was looked at.
        state: How it came out.
        detail: What was found.
        code: What is wrong; None when nothing is.
        hint: What to do; "" when there is nothing to do.
    """

    name: str
    state: State
    detail: str
    code: Code | None = None
    hint: str = ""


def _fine(name: str, detail: str) -> Finding:
    return Finding(name=name, state=State.OK, detail=detail)


def _warn(name: str, detail: str, hint: str) -> Finding:
    return Finding(name=name, state=State.WARN, detail=detail, hint=hint)


def _fail(name: str, detail: str, code: Code, hint: str = "") -> Finding:
    return Finding(name=name, state=State.FAIL, detail=detail, code=code, hint=hint or MEANINGS[code].hint)


def failed(name: str, error: AmanahError) -> Finding:
    """An error met on the way, as a finding."""
    return _fail(name, error.detail, error.code, error.hint)


def check_machine(profile: Profile) -> Iterator[Finding]:
    """The profile's folder and its disk."""
    mode = stat.S_IMODE(profile.home.path.stat().st_mode)
    if mode & 0o077:
        hint = f"chmod 700 {profile.home.path}"
        yield _warn("profile", f"{profile.home.path} is open to other users (mode {mode:04o})", hint)
    else:
        yield _fine("profile", f"unlocked at {profile.home.path}")
    yield check_disk(shutil.disk_usage(profile.home.path).free)


def check_disk(free_bytes: int) -> Finding:
    """What is free on the profile's disk."""
    detail = f"{free_bytes // limits.MIB} MiB free"
    if free_bytes < _DISK_FAIL_BYTES:
        return _fail("disk", detail, Code.DISK_FULL)
    if free_bytes < _DISK_WARN_BYTES:
        return _warn("disk", detail, "make room before it is full")
    return _fine("disk", detail)


def check_identity(profile: Profile, now_ms: int) -> Iterator[Finding]:
    """Certificate, chain and roster, as they are stored here.

    Raises:
        AmanahError: Something does not parse, or no certificate is installed.
    """
    snapshot = profile.store.snapshot()
    certificate, enrolment = decode_certificate(snapshot.certificate), decode_enrolment(snapshot.enrolment)
    roster = decode_roster(snapshot.roster)
    who = f"{certificate.role.name.lower()} of {certificate.organisation}, device {certificate.device_id.hex()[:12]}"
    yield _fine("device", who)
    renew = "ask your organisation for a new certificate (`amanah device show`)"
    yield _lasting("certificate", certificate.not_after_ms, now_ms, _CERTIFICATE_WARN_MS, renew)
    renew = "the organisation's custodians endorse a new enrolment key"
    yield _lasting("enrolment key", enrolment.not_after_ms, now_ms, _ENROLMENT_WARN_MS, renew)
    renew = "the member organisations sign a new roster; `amanah roster install` it"
    yield _lasting("roster", roster.expires_ms, now_ms, _ROSTER_WARN_MS, renew)
    yield _signed(roster)
    # Judged while it was valid: that it has expired is said above.
    at_ms = min(now_ms, certificate.not_after_ms, enrolment.not_after_ms)
    trusted = verify_roster(roster, None, now_ms=roster.issued_ms)
    verify_certificate(certificate, enrolment, trusted, at_ms=at_ms)
    yield _fine("chain", "roster, root, enrolment key and device hold together")
    for relay in roster.relays:
        yield from check_addresses(relay)


def _lasting(name: str, until_ms: int, now_ms: int, warn_ms: int, hint: str) -> Finding:
    days = (until_ms - now_ms) // _DAY_MS
    if until_ms <= now_ms:
        return _fail(name, f"expired {-days} days ago", Code.EXPIRED, hint)
    if until_ms - now_ms < warn_ms:
        return _warn(name, f"expires in {days} days", hint)
    return _fine(name, f"valid for {days} days")


def _signed(roster: Roster) -> Finding:
    signed = signing_organisations(roster.endorsed, roster)
    return _fine(
        "community",
        f"{roster.community}, version {roster.version}, signed by {len(signed)} (needed: {roster.threshold})",
    )


def check_addresses(relay: Relay) -> Iterator[Finding]:
    """How each address of a relay is reached."""
    for url in relay.addresses:
        try:
            address = roster_address(relay, url)
        except AmanahError as error:
            yield failed("TLS", error)
            continue
        if not address.secure:
            yield _warn("TLS", f"none to {address.dialled}: loopback only", "a relay in earnest has TLS")
        elif relay.tls_hashes:
            yield _fine("TLS", f"1.3 to {address.dialled}, its certificate is pinned by the roster")
        else:
            yield _fine("TLS", f"1.3 to {address.dialled}, judged by this system's authorities")


def check_head(client: Client, now_ms: int, *, online: bool) -> Iterator[Finding]:
    """The control stream's newest head: how fresh it is, and what it says of this machine's clock."""
    store = client.profile.store
    data, roster = store.value("control_head"), store.value("roster")
    if not data or not roster:
        yield _fail("control head", "none was ever received", Code.STALE_HEAD)
        return
    relay = decode_roster(roster).relays[0]
    age_ms = now_ms - verify_control_head(data, relay.key).value.time_ms
    if age_ms > limits.HEAD_FRESHNESS_MS:
        yield _fail("control head", f"{age_ms // 3_600_000} hours old: nothing is sent", Code.STALE_HEAD)
    else:
        yield _fine("control head", f"{max(age_ms, 0) // 1_000} s old; up to 24 hours are allowed")
    if not online:
        return
    # A head is signed every minute, so this tells minutes, not seconds.
    if abs(age_ms) > limits.CLOCK_WINDOW_MS:
        yield _fail("clock", f"about {abs(age_ms) // 60_000} minutes from the relay's", Code.CLOCK)
    elif age_ms < -limits.CLOCK_REMARK_MS or age_ms > _HEAD_WARN_MS:
        yield _warn("clock", f"about {abs(age_ms) // 1_000} s from the relay's", "set the clock; use NTP")
    else:
        yield _fine("clock", "agrees with the relay's within two minutes")


def check_state(client: Client) -> Iterator[Finding]:
    """Key packages, outbox, rooms, alarms and the log's consistency, as they are stored here."""
    snapshot = client.profile.store.snapshot()
    left = len(snapshot.key_packages)
    if left < _PACKAGES_WARN:
        yield _warn("key packages", f"{left} in stock", "connect; the client refills the stock by itself")
    else:
        yield _fine("key packages", f"{left} in stock")
    yield _outbox(client)
    for room in client.rooms():
        if room.row.status is model.RoomStatus.HALTED:
            yield _fail(f"room {room.title}", "halted", Code.REFUSED_COMMIT)
        elif room.row.status is model.RoomStatus.BEHIND:
            yield _warn(f"room {room.title}", "behind", MEANINGS[Code.BEHIND].hint)
        elif room.row.status is model.RoomStatus.LOST:
            yield _warn(f"room {room.title}", "lost its keys here", MEANINGS[Code.STATE_LOST].hint)
        yield from _unreadable(room)
    alarms = client.alarms()
    if snapshot.log is None:
        yield _warn("log", "no checkpoint was seen yet", "connect once")
    elif broken := sorted({alarm.code for alarm in alarms} & _BROKEN_LOG):
        hint = _PROOF_HINT if broken[0] == Code.PROOF else ""
        yield _fail("log", f"in doubt: {', '.join(broken)}", Code(broken[0]), hint)
    else:
        yield _fine("log", f"{snapshot.log.size} leaves; each checkpoint continued the one before")
    yield from check_standing(standing_of(client.profile.store))
    if alarms:
        newest = alarms[-1]
        hint = "`amanah room show ROOM` lists them; tell the other nations over another channel"
        yield _warn("alarms", f"{len(alarms)}; the newest: {newest.code}, {newest.detail}", hint)
    else:
        yield _fine("alarms", "none")


def check_standing(standing: Standing) -> Iterator[Finding]:
    """The quorum of witnesses, where the roster asks for one, and evidence against the log, where there is any."""
    if standing.quorum and standing.missed:
        yield _warn("witnesses", f"{standing.missed}; {standing.verified}", MEANINGS[Code.WITNESSES].hint)
    elif standing.quorum:
        yield _fine("witnesses", standing.verified)
    if standing.evidence:
        yield _fail("evidence", standing.evidence, Code.FORK, EVIDENCE_HINT)


def _unreadable(room: Room) -> Iterator[Finding]:
    counts = room.unreadable()
    if counts:
        said = ", ".join(f"{count} {cause}" for cause, count in counts.items())
        hint = "`amanah read` says of each what happens by itself"
        yield _warn(f"room {room.title}", f"{sum(counts.values())} cannot be read: {said}", hint)


def _outbox(client: Client) -> Finding:
    waiting = client.outbox()
    held = sum(intent.state is model.IntentState.HELD for intent in waiting)
    if held:
        return _warn(
            "outbox", f"{len(waiting)} waiting, {held} of them held", "`amanah outbox list`, then release or drop"
        )
    if waiting:
        oldest_s = time.time() - waiting[0].created_at_ms / 1_000
        return _warn("outbox", f"{len(waiting)} waiting, the oldest for {oldest_s:.0f} s", "they go out by themselves")
    return _fine("outbox", "empty")
