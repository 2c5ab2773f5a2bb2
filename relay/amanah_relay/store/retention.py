"""What is held of each organisation, what every member has confirmed, and what is dropped when its time is over.

A content is *held* while it stands behind the mark of its room (`confirmed`) and was not dropped; so
is a tree, at the place of its welcome. The table `held` has the sum by the sender's organisation. It
moves in the transaction that stores, confirms or drops; `verify_log` counts it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    func,
    literal_column,
    or_,
    select,
    update,
)

from amanah_protocol.custody.erasures import Cause
from amanah_protocol.envelope import Header, decode_envelope
from amanah_protocol.errors import PeerError
from amanah_protocol.kinds import HANDSHAKE
from amanah_protocol.types import EnvelopeId, OrgName, RoomId
from amanah_relay.effects import Confirm, Held, Mark, Purge, Survey, Tree
from amanah_relay.inputs import Confirmed, Over, Purged, Surveyed
from amanah_relay.purging import RoomRule, Standing, cause_to_go
from amanah_relay.store import schema
from amanah_relay.store.damage import check_row, checksum, damaged, only
from amanah_relay.store.rows import AnyRow, check_content_row, erased_cells
from amanah_relay.store.schema import Cells
from amanah_relay.store.sqlite import PutMany

_leaf, _content, _member, _tree = schema.leaf.c, schema.content.c, schema.member.c, schema.tree.c
_confirmed, _held = schema.confirmed.c, schema.held.c

_MARK: Final = func.coalesce(_confirmed.room_seq, 0).label("mark")
_SENDER: Final = and_(_member.room == _leaf.room, _member.device == _leaf.kid)
# Word for word the condition of the partial index: else it would not serve.
KEPT: Final[ColumnElement[bool]] = and_(_content.length > literal_column("0"), _content.data.is_not(None))

SELECT_CONTENTS: Final[Select[Any]] = (
    select(
        _content.log_index,
        _content.payload,
        _content.length,
        _content.erased,
        _content.addressees,
        _content.checksum,
        _leaf.room,
        _leaf.room_seq,
        _leaf.accepted_at_ms,
        _leaf.object,
        _leaf.envelope,
        _member.organisation,
        _MARK,
    )
    .join(schema.leaf, _leaf.log_index == _content.log_index)
    .outerjoin(schema.member, _SENDER)
    .outerjoin(schema.confirmed, _confirmed.room == _leaf.room)
)
"""Contents without their data; the first six columns are for `check_content_row`."""

SELECT_TREES: Final[Select[Any]] = (
    select(
        _tree.room,
        _tree.hash,
        _tree.room_seq,
        _tree.checksum,
        func.length(_tree.data).label("length"),
        _leaf.accepted_at_ms,
        _member.organisation,
        _MARK,
    )
    .outerjoin(schema.leaf, and_(_leaf.room == _tree.room, _leaf.room_seq == _tree.room_seq))
    .outerjoin(schema.member, _SENDER)
    .outerjoin(schema.confirmed, _confirmed.room == _tree.room)
)
"""Trees without their data, with the welcome that each was staged for."""

_SUM_CONTENTS: Final[Select[Any]] = (
    select(_member.organisation, func.sum(_content.length))
    .select_from(schema.content)
    .join(schema.leaf, _leaf.log_index == _content.log_index)
    .outerjoin(schema.member, _SENDER)
    .outerjoin(schema.confirmed, _confirmed.room == _leaf.room)
    .where(KEPT, _leaf.room_seq > _MARK.element)
    .group_by(_member.organisation)
)
_SUM_TREES: Final[Select[Any]] = (
    select(_member.organisation, func.sum(func.length(_tree.data)))
    .select_from(schema.tree)
    .outerjoin(schema.leaf, and_(_leaf.room == _tree.room, _leaf.room_seq == _tree.room_seq))
    .outerjoin(schema.member, _SENDER)
    .outerjoin(schema.confirmed, _confirmed.room == _tree.room)
    .where(_tree.room_seq > _MARK.element)
    .group_by(_member.organisation)
)
# The database adds up, in a tenth of the time: a broken length is not served here, and `verify_log` finds it.
_PASSED: Final = (
    _SUM_CONTENTS.where(
        _leaf.room == bindparam("in_room"), _leaf.room_seq > bindparam("behind"), _leaf.room_seq <= bindparam("until")
    ),
    _SUM_TREES.where(_tree.room == bindparam("in_room"), _tree.room_seq <= bindparam("until")),
)
OLD_CONTENTS: Final = (
    SELECT_CONTENTS.where(_content.log_index > bindparam("after"), KEPT)
    .order_by(_content.log_index)
    .limit(bindparam("count"))
)
_OLD_TREES: Final = SELECT_TREES.where(
    or_(
        and_(_tree.room_seq <= _MARK.element, _leaf.accepted_at_ms <= bindparam("delivered")),
        _leaf.accepted_at_ms <= bindparam("handshake"),
    )
)
_IS_STORED: Final = select(_tree.checksum).where(_tree.room == bindparam("in_room"), _tree.hash == bindparam("named"))
_READ_MARK: Final = select(*_confirmed).where(_confirmed.room == bindparam("in_room"))
_READ_HELD: Final = select(*_held).where(_held.organisation == bindparam("of"))
_SET_MARK: Final = PutMany(schema.confirmed, ["room"])
_SET_HELD: Final = PutMany(schema.held, ["organisation"])
_DROP_CONTENT: Final = (
    update(schema.content)
    .where(_content.log_index == bindparam("at"))
    .values(data=None, erased=True, checksum=bindparam("checksum"))
)
_MARK_ERASED: Final = (
    update(schema.content)
    .where(_content.log_index == bindparam("at"))
    .values(erased=True, checksum=bindparam("checksum"))
)
_NEWEST: Final = (
    select(_leaf.accepted_at_ms)
    .join(schema.room, and_(schema.room.c.room == _leaf.room, schema.room.c.head_seq == _leaf.room_seq))
    .where(_leaf.room == bindparam("in_room"))
)
_DROP_TREE: Final = delete(schema.tree).where(_tree.room == bindparam("in_room"), _tree.hash == bindparam("named"))


def hold(connection: Connection, changes: Iterable[tuple[OrgName, int]]) -> None:
    """Add to what is held of organisations, in the caller's transaction; negative sizes take away.

    Raises:
        OperationalError: `DAMAGED`, also when more is taken away than there was.
    """
    sizes: Counter[OrgName] = Counter()
    for organisation, size in changes:
        sizes[organisation] += size
    rows: list[Cells] = []
    for organisation, size in sizes.items():
        row = connection.execute(_READ_HELD, {"of": organisation}).first()
        if row is not None:
            check_held_row(row)
        total = size + (0 if row is None else row.size)
        if total < 0:
            raise damaged(f"what is held of {organisation}")
        rows.append({"organisation": organisation, "size": total, "checksum": checksum(organisation, total)})
    if rows:
        _SET_HELD.execute(connection, rows)


def stored_before(connection: Connection, trees: Iterable[Tree]) -> list[Tree]:
    """Those of these trees that will not be stored anew, because the room has them."""
    seen: set[tuple[RoomId, bytes]] = set()
    known = []
    for tree in trees:
        place = tree.room, tree.hash
        is_stored = connection.execute(_IS_STORED, {"in_room": tree.room, "named": tree.hash}).first() is not None
        if is_stored or place in seen:
            known.append(tree)
        seen.add(place)
    return known


def confirm(connection: Connection, wanted: Confirm) -> Confirmed:
    """Move marks, and count no longer what they pass; the caller commits.

    Raises:
        OperationalError: `DAMAGED`.
    """
    freed: list[tuple[OrgName, int]] = []
    for mark in wanted.marks:
        row = connection.execute(_READ_MARK, {"in_room": mark.room}).first()
        if row is not None:
            check_mark_row(row)
        behind = 0 if row is None else row.room_seq
        if mark.room_seq <= behind:
            continue
        places = {"in_room": mark.room, "behind": behind, "until": mark.room_seq}
        for statement in _PASSED:
            freed.extend(_shares(connection, statement, places))
        _SET_MARK.execute(connection, [mark_cells(mark)])
    return Confirmed(token=wanted.token, freed=_free(connection, freed))


def survey(connection: Connection, wanted: Survey) -> Surveyed:
    """Take one step of a pass through the contents that are there, and say which are over.

    Raises:
        OperationalError: `DAMAGED`.
    """
    rows = connection.execute(OLD_CONTENTS, {"after": wanted.after, "count": wanted.limit}).all()
    old = [row for row in rows if row.accepted_at_ms <= wanted.until_ms]
    newest: dict[bytes, int] = {}
    over = []
    for row in old:
        cause = _cause(connection, row, wanted, newest)
        if cause is not None:
            over.append(
                Over(
                    index=row.log_index,
                    room=RoomId(row.room),
                    room_seq=row.room_seq,
                    envelope=EnvelopeId(row.envelope),
                    accepted_at_ms=row.accepted_at_ms,
                    cause=cause,
                )
            )
    return Surveyed(token=wanted.token, after=old[-1].log_index if len(old) == wanted.limit else None, over=tuple(over))


def _cause(connection: Connection, row: AnyRow, wanted: Survey, newest: dict[bytes, int]) -> Cause | None:
    check_content_row(*row[:6])
    rule = wanted.rules.get(row.room, RoomRule())
    last_at_ms = row.accepted_at_ms
    if rule.policy is not None and rule.policy.after_last:
        if row.room not in newest:
            newest[row.room] = only(connection.execute(_NEWEST, {"in_room": row.room}).scalar(), "the head of a room")
        last_at_ms = newest[row.room]
    at = Standing(
        accepted_at_ms=row.accepted_at_ms,
        last_at_ms=last_at_ms,
        confirmed=row.room_seq <= row.mark,
        erased=bool(row.erased),
    )
    return cause_to_go(_header(row.log_index, row.object), at, rule, wanted.terms)


def drop_over(connection: Connection, indices: Sequence[int]) -> list[tuple[OrgName, int]]:
    """Drop contents whose time is over, in the caller's transaction; gives what of them was held.

    One that a member has erased since is passed over.

    Raises:
        OperationalError: `DAMAGED`.
    """
    return drop(connection, connection.execute(SELECT_CONTENTS.where(_content.log_index.in_(indices), KEPT)).all())


def purge(connection: Connection, wanted: Purge) -> Purged:
    """Drop trees whose time is over; the caller commits.

    Raises:
        OperationalError: `DAMAGED`.
    """
    freed: list[tuple[OrgName, int]] = []
    trees = _purge_trees(connection, wanted, freed)
    return Purged(token=wanted.token, dropped=trees, freed=_free(connection, freed))


def mark_erased(connection: Connection, rows: Sequence[AnyRow]) -> None:
    """Say of contents that they are erased, and keep them: a hold stands. They are given to nobody."""
    if rows:
        cells = [erased_cells(row.log_index, row.payload, row.length, row.addressees) for row in rows]
        connection.execute(_MARK_ERASED, cells)


def drop(connection: Connection, rows: Sequence[AnyRow]) -> list[tuple[OrgName, int]]:
    """Drop contents, rows of `SELECT_CONTENTS`; gives what of them was held.

    Raises:
        OperationalError: `DAMAGED`.
    """
    shares = [(row.room_seq > row.mark, _share_of(row)) for row in rows]
    if rows:
        cells = [erased_cells(row.log_index, row.payload, row.length, row.addressees) for row in rows]
        connection.execute(_DROP_CONTENT, cells)
    return [share for is_held, share in shares if is_held]


def mark_cells(mark: Mark) -> Cells:
    """The row of `confirmed`."""
    return {"room": mark.room, "room_seq": mark.room_seq, "checksum": checksum(mark.room, mark.room_seq)}


def check_mark_row(row: AnyRow) -> None:
    """A row of `confirmed` is as it was stored.

    Raises:
        OperationalError: `DAMAGED`.
    """
    check_row(row.checksum, row.room, row.room_seq, what="the mark of a room")


def check_held_row(row: AnyRow) -> None:
    """A row of `held` is as it was stored.

    Raises:
        OperationalError: `DAMAGED`.
    """
    check_row(row.checksum, row.organisation, row.size, what="what is held of an organisation")


def count_held(connection: Connection) -> dict[str, int]:
    """What is held, counted from the rows themselves."""
    sizes: Counter[str] = Counter()
    for statement in (_SUM_CONTENTS, _SUM_TREES):
        for organisation, size in _shares(connection, statement, {}):
            sizes[organisation] += size
    return dict(sizes)


def _shares(connection: Connection, statement: Select[Any], places: Cells) -> list[tuple[OrgName, int]]:
    rows = connection.execute(statement, places)
    return [(OrgName(only(organisation, "the sender of a content")), size) for organisation, size in rows]


def _share_of(row: AnyRow) -> tuple[OrgName, int]:
    check_content_row(*row[:6])
    return only(row.organisation, f"the sender of leaf {row.log_index}"), row.length


def _share_of_tree(row: AnyRow) -> tuple[OrgName, int]:
    check_row(row.checksum, row.room, row.hash, row.room_seq, what="a ratchet tree")
    return only(row.organisation, "the sender of a ratchet tree"), row.length


def is_handshake(index: int, encoded: bytes) -> bool:
    """Whether an envelope is a commit or welcome: without its content members that lag behind cannot follow.

    Raises:
        OperationalError: `DAMAGED`.
    """
    return _header(index, encoded).kind in HANDSHAKE


def _header(index: int, encoded: bytes) -> Header:
    try:
        return decode_envelope(encoded).header
    except PeerError as error:
        raise damaged(f"leaf {index}") from error


def _purge_trees(connection: Connection, wanted: Purge, freed: list[tuple[OrgName, int]]) -> int:
    times = {"delivered": wanted.delivered_ms, "handshake": wanted.handshake_ms}
    # Without a limit in the statement: as many trees as a step takes may be held, and others be over behind them.
    with connection.execute(_OLD_TREES, times) as old:
        rows = list(islice((row for row in old if not _is_held(row, wanted)), wanted.limit))
    for row in rows:
        share = _share_of_tree(row)
        if row.room_seq > row.mark:
            freed.append(share)
    if rows:
        connection.execute(_DROP_TREE, [{"in_room": row.room, "named": row.hash} for row in rows])
    return len(rows)


def _is_held(row: AnyRow, wanted: Purge) -> bool:
    since_ms = wanted.held.get(RoomId(row.room))
    return since_ms is not None and row.accepted_at_ms >= since_ms


def _free(connection: Connection, freed: list[tuple[OrgName, int]]) -> tuple[Held, ...]:
    hold(connection, ((organisation, -size) for organisation, size in freed))
    return summed(freed)


def summed(shares: Iterable[tuple[OrgName, int]]) -> tuple[Held, ...]:
    """One for each organisation."""
    sizes: Counter[OrgName] = Counter()
    for organisation, size in shares:
        sizes[organisation] += size
    return tuple(Held(organisation=organisation, size=size) for organisation, size in sorted(sizes.items()))
