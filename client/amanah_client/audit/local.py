"""The auditor's own copy of the log, in the profile's store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from amanah_client.audit.anchors import add_roster, anchor_of_rosters, decode_rosters
from amanah_client.audit.examination import Anchor
from amanah_client.audit.record import Report
from amanah_client.audit.stamps import Root, Stamps, Trust, examine_stamps, load_roots
from amanah_client.home import Profile, ProfileLock
from amanah_client.keystore.durable import locked, replace_file
from amanah_client.language import N_
from amanah_client.log_rows import AuditRow, WitnessedRow
from amanah_client.model import Snapshot
from amanah_client.store import LocalStore
from amanah_protocol.custody.grants import AuditGrant, decode_grant
from amanah_protocol.errors import Code, OperationalError, PeerError, UsageError
from amanah_protocol.heads import verify_control_head
from amanah_protocol.log.checkpoint import decode_checkpoint
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.roster import decode_roster
from amanah_protocol.types import LeafHash

_CHECKPOINT: Final = "checkpoint"
_HEAD: Final = "control_head"
_ROOT_SIGNATURE: Final = "root_signature"
_ROSTERS: Final = "rosters"
_GRANT: Final = "grant"
_ALONE: Final = "alone"
_ROOTS: Final = "timestamp_roots"


def remember_roster(profile: Profile, roster: bytes) -> None:
    """Keep a roster that this profile trusts, in the store and readable without a key beside it.

    Rosters are public. Older ones are kept: the root keys of their day are what old entries of the
    log are held against.

    Raises:
        OperationalError: `STORE` or `DISK_FULL`.
    """
    known = (profile.store.value(_ROSTERS) or b"").decode()
    text = add_roster(known, roster)
    if text != known:
        profile.store.put_value(_ROSTERS, text.encode())
    with locked(profile.home.roster):
        replace_file(profile.home.roster, text.encode())


def trusted(profile: Profile) -> Anchor:
    """What this profile trusts.

    Raises:
        UsageError: `NO_PROFILE` before anything was installed.
    """
    current = profile.store.value("roster")
    if current is None:
        hint = "`amanah device install` or `amanah roster install` brings one."
        raise UsageError(Code.NO_PROFILE, "this profile trusts no roster yet", hint=hint)
    # The control stream may have brought a newer one, signed by the one before.
    remember_roster(profile, current)
    rosters = decode_rosters((profile.store.value(_ROSTERS) or b"").decode())
    return anchor_of_rosters(rosters, N_("the rosters that this profile trusts"))


def keep_checkpoint(store: LocalStore) -> int | None:
    """Keep checkpoint and control head as those of the copy, if it reaches as far as the newest or the newest cosigned.

    The live view of the log moves on with every head that arrives; the copy does not.

    Returns:
        Its size; None when the copy is of another size.
    """
    snapshot = store.snapshot()
    ends = (store.witnessed(), snapshot.log)
    end = next((one for one in ends if one is not None and one.size == snapshot.audit_size), None)
    if end is None:
        # It may have been kept already, by who copied without the witnesses and waits for them now.
        kept = store.copy.value(_CHECKPOINT)
        size = 0 if kept is None else decode_checkpoint(kept)[0].size
        return size if 0 < size == snapshot.audit_size else None
    note = end.note if isinstance(end, WitnessedRow) else end.checkpoint
    # In one transaction: of a root that is signed, and another's signature, no receipt could be made.
    head = _covered_head(store, snapshot, end.size)
    store.copy.put_values({_CHECKPOINT: note, _HEAD: head, _ROOT_SIGNATURE: end.root_signature})
    return end.size


def _covered_head(store: LocalStore, snapshot: Snapshot, size: int) -> bytes:
    """The newest signed head of the control stream that is at most as large as the copy; the newest where none is.

    Of a larger one nobody who verifies the copy can say whether what it names is left out: that could be a revocation.
    """
    for head in [*reversed(store.control_heads()), store.copy.value(_HEAD) or b""]:
        for relay in decode_roster(snapshot.roster).relays:
            try:
                if verify_control_head(head, relay.key).value.size <= size:
                    return head
            except PeerError:  # of another relay, or of a key that the roster no longer names
                continue
    return snapshot.control_head


def copied(store: LocalStore) -> tuple[bytes, int]:
    """The signed checkpoint of the copy, and its size.

    Raises:
        UsageError: `NOT_FOUND` when there is no whole copy.
    """
    note, _, size = _end(store)
    recorded = store.copy.checkpoint(size)
    # As it was published, it has the cosignatures too.
    return (recorded if recorded is not None and recorded.startswith(note) else note), size


def root_signature(store: LocalStore) -> bytes:
    """The relay's signature over the root of the copy, as `copied` gives it, for COSE receipts.

    Raises:
        UsageError: `NOT_FOUND` when it gave none, or there is no whole copy.
    """
    _, signature, _ = _end(store)
    if not signature:
        detail = "the relay has not signed the root of the copy's checkpoint for COSE receipts"
        raise UsageError(Code.NOT_FOUND, detail, hint="`amanah audit sync` gets a newer checkpoint.")
    return signature


def _end(store: LocalStore) -> tuple[bytes, bytes, int]:
    """The newest checkpoint that the copy reaches, the relay's signature over its root, and its size.

    A copy that broke off has leaves beyond the checkpoint that was kept, and maybe up to the newest one.
    """
    snapshot, kept = store.snapshot(), store.copy.value(_CHECKPOINT)
    ends = [] if kept is None else [(kept, store.copy.value(_ROOT_SIGNATURE) or b"")]
    if snapshot.log is not None:
        ends.append((snapshot.log.checkpoint, snapshot.log.root_signature))
    sizes: dict[int, tuple[bytes, bytes]] = {}
    for note, signature in ends:
        size = decode_checkpoint(note)[0].size
        # Of one size they are of one root: the newer note, and whichever signature there is.
        sizes[size] = note, signature or sizes.get(size, (b"", b""))[1]
    whole = [size for size in sizes if 0 < size <= snapshot.audit_size]
    if not whole:
        raise UsageError(
            Code.NOT_FOUND, "there is no whole copy of the log here", hint="`amanah audit sync` makes one."
        )
    return *sizes[max(whole)], max(whole)


def copied_head(store: LocalStore) -> bytes:
    """The signed head of the control stream that belongs to the copy, b"" if none was kept."""
    return store.copy.value(_HEAD) or store.value("control_head") or b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosigned:
    """What witnesses say of the copy.

    Attributes:
        row: The newest checkpoint that the quorum has cosigned.
        is_of_copy: Whether the copy has its root at that size; None where it is larger than the copy.
    """

    row: WitnessedRow
    is_of_copy: bool | None


def cosigned(store: LocalStore) -> Cosigned | None:
    """The newest checkpoint with a quorum, held against the copy; None where there is none.

    Raises:
        UsageError: `NOT_FOUND` when there is no whole copy.
    """
    row, (_, size) = store.witnessed(), copied(store)
    if row is None or not row.size:
        return None
    if row.size > size:
        return Cosigned(row=row, is_of_copy=None)
    frontier = Frontier()
    for leaf in copied_rows(store, row.size):
        frontier.append(LeafHash(leaf.hash))
    return Cosigned(row=row, is_of_copy=frontier.root() == row.root)


def examined_stamps(store: LocalStore, report: Report, pem: bytes | None, *, now_ms: int) -> tuple[Report, Stamps]:
    """Hold the copy's time stamps against its report.

    Args:
        store: The profile's.
        report: What an examination of the copy found.
        pem: As `trusted_roots`.
        now_ms: Whether certificates of authorities have ended is asked at this time.

    Raises:
        UsageError: `CONFIG`.
        OperationalError: `STORE` or `DISK_FULL`.
    """
    trust = Trust(roots=trusted_roots(store, pem), now_ms=now_ms)
    return examine_stamps(report, copied_stamps(store, report.size), store.copy.checkpoint, trust)


def copied_stamps(store: LocalStore, size: int) -> Iterator[tuple[int, str, bytes]]:
    """Time stamps of the copy on checkpoints of at most `size` leaves, as in a bundle."""
    return (stamp for stamp in store.copy.stamps() if stamp[0] <= size)


def trusted_roots(store: LocalStore, pem: bytes | None) -> tuple[Root, ...]:
    """Roots of time-stamping authorities that this profile trusts.

    Args:
        store: The profile's.
        pem: Certificates in PEM that are trusted from now on, in the place of those before; None: they stay.

    Raises:
        UsageError: `CONFIG` when these are none.
        OperationalError: `STORE` or `DISK_FULL`.
    """
    if pem is not None:
        roots = load_roots(pem)
        store.put_value(_ROOTS, pem)
        return roots
    kept = store.value(_ROOTS)
    return () if kept is None else load_roots(kept)


def copied_rows(store: LocalStore, size: int) -> Iterator[AuditRow]:
    """The rows of the copy below `size`, read a page at a time."""
    return store.copy.rows(0, size)


def grant_of(store: LocalStore) -> AuditGrant | None:
    """The audit grant that the copy is read under; None for the own scope alone."""
    encoded = store.copy.value(_GRANT)
    return None if encoded is None else decode_grant(encoded)


def reading_grant(store: LocalStore) -> AuditGrant | None:
    """The audit grant to read on under; None where that was given up, as what it has shown stays in the copy."""
    return None if store.copy.value(_ALONE) else grant_of(store)


def read_alone(profile: Profile) -> None:
    """Read on what the own organisation is in, and no longer under a grant."""
    profile.store.copy.put_value(_ALONE, b"1")


def read_under(profile: Profile, encoded: bytes) -> bool:
    """Read under a grant from now on; gives whether a copy that was read without it, if but its end, was forgotten.

    Raises:
        DecodeError: It is no grant.
        OperationalError: `STORE` when another program of this profile is connected: it may be copying.
    """
    grant, known = decode_grant(encoded), reading_grant(profile.store)
    if known is not None and known.id == grant.id:
        return False
    was = profile.store.copy.size > 0
    if was:
        begin_anew(profile)
    profile.store.copy.put_value(_GRANT, encoded)
    return was


def begin_anew(profile: Profile) -> None:
    """Forget the copy, but not a grant that is read on under.

    Raises:
        OperationalError: `STORE` when another program of this profile is connected: it may be copying.
    """
    lock = ProfileLock(profile.home)
    if not lock.acquire():
        raise OperationalError(
            Code.STORE, "another program of this profile is connected", hint="Stop it, then try again."
        )
    try:
        copy = profile.store.copy
        grant = None if copy.value(_ALONE) else copy.value(_GRANT)
        copy.forget()
        if grant is not None:
            copy.put_value(_GRANT, grant)
    finally:
        lock.release()
