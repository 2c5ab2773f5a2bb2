"""What is held of each organisation, up to where rooms are confirmed, and the place of each ratchet tree."""

import zlib
from collections import Counter

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add tables and an index, give trees a place, and count what is there."""
    some = sa.text("length > 0 AND data IS NOT NULL")
    op.create_index("content_kept", "content", ["log_index"], sqlite_where=some, postgresql_where=some)
    op.create_table(
        "confirmed",
        sa.Column("room", sa.LargeBinary, sa.ForeignKey("room.room"), primary_key=True),
        sa.Column("room_seq", sa.BigInteger, nullable=False),
        sa.Column("checksum", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "held",
        sa.Column("organisation", sa.Text, primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("checksum", sa.BigInteger, nullable=False),
    )
    _place_trees()
    _count_held()


def _place_trees() -> None:
    """Which welcome brought a tree was not kept: it takes the newest place of its room, so it stays longer."""
    op.rename_table("tree", "tree_0002")
    op.create_table(
        "tree",
        sa.Column("room", sa.LargeBinary, primary_key=True),
        sa.Column("hash", sa.LargeBinary, primary_key=True),
        sa.Column("room_seq", sa.BigInteger, nullable=False),
        sa.Column("checksum", sa.BigInteger, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    found = sa.text("SELECT t.room, t.hash, r.head_seq FROM tree_0002 t JOIN room r ON r.room = t.room")
    move = sa.text(
        "INSERT INTO tree SELECT room, hash, :seq, :checksum, data FROM tree_0002 WHERE room = :room AND hash = :hash"
    )
    connection = op.get_bind()
    for room, tree_hash, seq in connection.execute(found).all():
        cells = {"room": room, "hash": tree_hash, "seq": seq, "checksum": _checksum(room, tree_hash, seq)}
        connection.execute(move, cells)
    op.drop_table("tree_0002")


def _count_held() -> None:
    """Nothing was confirmed to this schema yet: all that is there is held."""
    sender = "JOIN member m ON m.room = l.room AND m.device = l.kid"
    contents = f"SELECT m.organisation, c.length FROM content c JOIN leaf l ON l.log_index = c.log_index {sender}"  # noqa: S608 - no value in it
    trees = (
        "SELECT m.organisation, length(t.data) FROM tree t "  # noqa: S608 - no value in it
        f"JOIN leaf l ON l.room = t.room AND l.room_seq = t.room_seq {sender}"
    )
    kept = " WHERE c.length > 0 AND c.data IS NOT NULL"
    connection = op.get_bind()
    sizes: Counter[str] = Counter()
    for statement in (contents + kept, trees):
        for organisation, size in connection.execute(sa.text(statement)):
            sizes[organisation] += size
    insert = sa.text("INSERT INTO held VALUES (:organisation, :size, :checksum)")
    for organisation, size in sizes.items():
        connection.execute(
            insert, {"organisation": organisation, "size": size, "checksum": _checksum(organisation, size)}
        )


def _checksum(*cells: object) -> int:
    """As the program made it when this was the newest schema."""
    return zlib.crc32(msgspec.msgpack.encode(cells))
