"""The places of each room's `create` and commits, which newcomers read without what stands between."""

import sqlalchemy as sa
from alembic import op

from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import DecodeError
from amanah_protocol.kinds import Kind
from amanah_relay.store.damage import damaged

revision = "0002"
down_revision = "0001"

_ENVELOPE = 1
_PAGE = 1_000
_CHANGES = (Kind.CREATE, Kind.COMMIT)


def upgrade() -> None:
    """Make the table, and fill it from the envelopes that are stored."""
    table = op.create_table(
        "membership",
        sa.Column("room", sa.LargeBinary, primary_key=True),
        sa.Column("room_seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    leaf = sa.table("leaf", *(sa.column(name) for name in ("log_index", "type", "room", "room_seq", "object")))
    wanted = (
        sa.select(leaf.c.log_index, leaf.c.room, leaf.c.room_seq, leaf.c.object)
        .where(leaf.c.log_index >= sa.bindparam("start"), leaf.c.type == _ENVELOPE)
        .order_by(leaf.c.log_index)
        .limit(_PAGE)
    )
    connection, start = op.get_bind(), 0
    while rows := connection.execute(wanted, {"start": start}).all():
        places = [{"room": row.room, "room_seq": row.room_seq} for row in rows if _is_change(row.log_index, row.object)]
        if places:
            connection.execute(table.insert(), places)
        start = rows[-1].log_index + 1


def _is_change(index: int, encoded: bytes) -> bool:
    try:
        return decode_envelope(encoded).header.kind in _CHANGES
    except DecodeError as error:
        raise damaged(f"leaf {index}") from error
