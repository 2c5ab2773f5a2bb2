"""The control stream: certificates, enrolment keys, revocations and rosters, in one verified chain.

An entry that breaks the chain stops it; an entry whose object does not hold is passed over with an
alarm, so that no organisation's mistake bricks the others.
"""

from __future__ import annotations

from typing import Final

from amanah_client import effects as e
from amanah_client.core.context import Context, stored_leaf
from amanah_client.core.entry import chain_leaf
from amanah_client.core.objects import decode_object, organisation_of, record_object, verify_object
from amanah_client.core.requests import ControlPage
from amanah_client.model import ControlRow
from amanah_protocol.custody.erasures import PersonErasure
from amanah_protocol.errors import Code, PeerError, VerifyError
from amanah_protocol.frames import ControlEntry, SubscribeControl
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.roster import Roster, verify_roster
from amanah_protocol.types import CONTROL

LEAF_TYPES: Final = frozenset(int(leaf_type) for leaf_type in LeafType)


def load(ctx: Context, rows: tuple[ControlRow, ...]) -> None:
    """Take up the stored stream; everything in it was verified before it was stored.

    Raises:
        DecodeError: The store is damaged.
        VerifyError: It is damaged in another way.
    """
    control = ctx.control
    for row in rows:
        value = decode_object(row.type, row.object, row.document)
        if isinstance(value, Roster):
            control.roster_seen |= value.version >= ctx.roster.value.version
            # Whether it has expired since says nothing of what was in force then.
            ctx.directory.rosters.placed.append((row.index, verify_roster(value, None, now_ms=value.issued_ms)))
        else:
            record_object(value, ctx.directory, row.index)
        control.leaves[row.sequence] = stored_leaf(row)
        control.sequence, control.leaf, control.index = row.sequence, row.hash, row.index
        control.accepted_at_ms = row.accepted_at_ms


def subscribe(ctx: Context) -> None:
    """Ask for what follows the newest verified entry."""
    after = ctx.control.sequence
    ctx.control.live = False
    ctx.control.page = ctx.ask(ControlPage(), lambda number: SubscribeControl(request=number, after=after))


def receive_entry(ctx: Context, entry: ControlEntry) -> None:
    """Verify one entry and take it up."""
    control = ctx.control
    if entry.type not in LEAF_TYPES:
        raise VerifyError(Code.BAD_TYPE, "an entry of the control stream of an unknown type")
    leaf = chain_leaf(entry, CONTROL)
    if entry.sequence <= control.sequence:
        _compare_known(ctx, entry, leaf)
        return
    if not _follows(ctx, entry, leaf):
        return
    control.sequence, control.leaf, control.index = entry.sequence, leaf.hash, entry.index
    control.accepted_at_ms = entry.accepted_at_ms
    control.leaves[entry.sequence] = (leaf.hash, entry.accepted_at_ms)
    row = ControlRow(
        sequence=entry.sequence,
        index=entry.index,
        type=entry.type,
        accepted_at_ms=entry.accepted_at_ms,
        previous=leaf.previous,
        hash=leaf.hash,
        object=entry.object,
        document=entry.document,
    )
    try:
        if _take_up(ctx, row):
            ctx.write(e.PutControl(row=row))
    except PeerError as error:
        ctx.alarm_for(error, evidence=(leaf.encode(), entry.document or b""))


def _compare_known(ctx: Context, entry: ControlEntry, leaf: Leaf) -> None:
    """An entry that we have: it comes again after a reconnect, and must be the same."""
    known = ctx.control.leaves.get(entry.sequence)
    if known is not None and known[0] != leaf.hash:
        detail = f"two entries {entry.sequence} of the control stream"
        ctx.alarm(Code.FORK, detail, evidence=(leaf.encode(), known[0]))
        ctx.stop(Code.FORK, detail)


def _follows(ctx: Context, entry: ControlEntry, leaf: Leaf) -> bool:
    control = ctx.control
    code = Code.GAP if entry.sequence != control.sequence + 1 else Code.FORK
    if code is Code.FORK and leaf.previous == control.leaf and entry.index > control.index:
        return True
    if control.retried != control.sequence:
        control.retried = control.sequence
        subscribe(ctx)
    elif control.page is None or entry.sequence == control.sequence + 1:
        detail = f"the control stream does not go on behind entry {control.sequence}"
        ctx.alarm(code, detail, evidence=(leaf.encode(), control.leaf))
        ctx.stop(code, detail)
    return False


def _take_up(ctx: Context, row: ControlRow) -> bool:
    """Verify and record the object of an entry; False when it is of no concern here."""
    value = decode_object(row.type, row.object, row.document)
    if isinstance(value, Roster):
        return _take_roster(ctx, value, row)
    organisation = organisation_of(value)
    if organisation not in ctx.roster.value.by_name:
        return False  # of an organisation that the roster no longer names
    verify_object(value, ctx.directory, ctx.roster, at_ms=row.accepted_at_ms)
    record_object(value, ctx.directory, row.index)
    if isinstance(value, PersonErasure):
        ctx.profiles.pop((value.organisation, value.subject), None)
        ctx.write(e.ForgetPerson(organisation=value.organisation, subject=value.subject))
    if ctx.directory.organisation(ctx.me) and _revoked(ctx):
        ctx.alarm(Code.REVOKED, "this device was revoked by its organisation")
        ctx.stop(Code.REVOKED, "this device was revoked by its organisation")
    return True


def _revoked(ctx: Context) -> bool:
    standing = ctx.directory.standing(ctx.me)
    return standing is not None and standing.revoked


def _take_roster(ctx: Context, roster: Roster, row: ControlRow) -> bool:
    control = ctx.control
    held = ctx.roster.value
    if roster.version < held.version and not control.roster_seen:
        return False  # history from before the roster that our organisation handed us
    accepted = verify_roster(roster, ctx.roster, now_ms=row.accepted_at_ms)
    control.roster_seen = True
    rosters = ctx.directory.rosters
    rosters.place(accepted, row.index, ctx.roster)
    if roster.endorsed.document != held.endorsed.document:
        ctx.roster = accepted
        first = held.endorsed.encode() if len(rosters.placed) == 1 else b""
        ctx.write(e.PutRoster(roster=roster.endorsed.encode(), first=first))
    return True
