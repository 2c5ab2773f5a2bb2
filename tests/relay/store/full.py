"""A store with a row of every sort in every table and a full tile, and copies of it in which one thing is wrong."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from amanah_protocol.kinds import Commit, Kind, Message
from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import ZERO_32, EnvelopeId, OrgName
from amanah_relay.effects import (
    Append,
    Attached,
    Confirm,
    Entry,
    Erasure,
    Mark,
    PutCheckpoint,
    PutKeyPackages,
    PutStamp,
    TakeKeyPackages,
)
from amanah_relay.store import Store
from amanah_relay.store.schema import Cells
from tests.relay.store.sequence import CHAIN, OTHER, OTHER_KID, SECOND_ROOM, Draft, Sequence, identities, roster, tree
from tests.vectors import examples as x

TREE = tree(b"ratchet tree")
ORDERS = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Full:
    """The store, closed.

    Attributes:
        path: Its file.
        entries: By index, as they were appended; the first is the roster's and stands for None.
        size: Leaves in its log.
    """

    path: Path
    entries: tuple[Entry | None, ...]
    size: int

    def entry(self, index: int) -> Entry:
        """A leaf behind the first."""
        found = self.entries[index]
        assert found is not None
        return found

    @contextmanager
    def copy(self, folder: Path, *statements: str, values: tuple[object, ...] = ()) -> Iterator[Store]:
        """A copy, opened and loaded, that is then changed behind the store's back."""
        path = folder / "copy.db"
        shutil.copy(self.path, path)
        store = Store.open(f"sqlite:///{path}")
        try:
            store.load()
            with closing(sqlite3.connect(path, isolation_level=None)) as raw:
                for statement in statements:
                    assert raw.execute(statement, values).rowcount != 0
            yield store
        finally:
            store.close()


def published(size: int, root: bytes) -> bytes:
    """A signed checkpoint of a size."""
    return sign_checkpoint(Checkpoint(origin=x.ORIGIN, size=size, root=root), x.LOG_SIGNER)


def make_full(path: Path, *, attached: bool = True) -> Full:
    """Make it: leaves 0 to 4 are control entries, 5 to 11 envelopes, the rest orders of a chain.

    Without an attachment it is one that an older program can have made.
    """
    store = Store.init(f"sqlite:///{path}", roster=roster(), origin=x.ORIGIN, now_ms=x.NOW_MS)
    log = Sequence.behind(store.load())
    store.append(log.batch(*identities(), log.create(), log.create(SECOND_ROOM)))
    commit = _commit(log)
    store.append(commit)
    welcome = log.envelope(x.SPECIFICS[Kind.WELCOME], b"welcome", addressees=(OTHER_KID,))
    named = Message(attachment=x.fixed("attachment") if attached else None)
    messages = log.batch(welcome, log.envelope(), log.envelope(named, key=OTHER), trees=(TREE,))
    store.append(replace(messages, attachments=_attached(messages.entries[2]) if attached else ()))
    dropped = Erasure(room=x.ROOM, envelopes=(_id(messages.entries[1]),), by=None)
    store.append(log.batch(log.envelope(x.SPECIFICS[Kind.ERASE]), erasures=(dropped,)))
    orders = [Draft(type=LeafType.AUDIT_READ, room=CHAIN, object=b"\xd2 order %d" % number) for number in range(ORDERS)]
    store.append(log.batch(*orders))
    store.confirm(Confirm(token=0, marks=(Mark(room=x.ROOM, room_seq=3),)))
    store.put_checkpoint(PutCheckpoint(token=0, size=messages.first, note=published(messages.first, commit.root)))
    for upto in (0, 1):
        store.put_stamp(
            PutStamp(
                token=0,
                size=messages.first,
                authority="https://tsa.example/",
                covered=len(published(messages.first, commit.root)),
                upto=upto,
                ends_ms=x.NOW_MS - upto,
                data=b"token %d" % upto,
            )
        )
    store.put_key_packages(
        PutKeyPackages(token=0, device=x.KID, suite=3, packages=(b"one", b"two"), last_resort=b"last")
    )
    store.take_key_packages(TakeKeyPackages(token=0, suite=3, devices=(x.KID,)))
    store.close()
    return Full(path=path, entries=(None, *log.entries), size=log.frontier.size)


def _commit(log: Sequence) -> Append:
    batch = log.batch(log.envelope(Commit(added=(OTHER_KID,)), b"commit"))
    joined = replace(batch.members[0], device=OTHER_KID, last_counter=0, last_id=EnvelopeId(ZERO_32))
    return replace(batch, members=(*batch.members, joined))


def _attached(entry: Entry) -> tuple[Attached, ...]:
    found = Attached(
        room=entry.room,
        attachment=x.fixed("attachment"),
        envelope=_id(entry),
        sender=OTHER_KID,
        organisation=OrgName(x.TN),
        accepted_at_ms=entry.accepted_at_ms,
    )
    return (found,)


def _id(entry: Entry) -> EnvelopeId:
    assert entry.envelope is not None
    return entry.envelope


def changed(table: str, row: str, cells: Cells) -> str:
    """A statement that sets a row, with its checksum as the store would have made it."""
    values = {name: f"x'{value.hex()}'" if isinstance(value, bytes) else repr(value) for name, value in cells.items()}
    return f"UPDATE {table} SET {', '.join(f'{name} = {value}' for name, value in values.items())} WHERE {row}"  # noqa: S608 - names and values of ours
