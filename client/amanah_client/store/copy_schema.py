"""Tables of the auditor's copy. Like the profile's store it is SQLCipher, and `STEPS` lead to the newest schema."""

from __future__ import annotations

from typing import Final

from amanah_client.store.migrate import Statement

_COPY: Final = (
    # Newest signed heads and how far things are.
    "CREATE TABLE value (name TEXT PRIMARY KEY NOT NULL, data BLOB NOT NULL) WITHOUT ROWID",
    # Leaves as they came: the entry where it is in scope, else its bare hash.
    'CREATE TABLE leaf ("index" INTEGER PRIMARY KEY NOT NULL, hash BLOB NOT NULL, entry BLOB, document BLOB)',
    # An entry is [1, type, ...]: its third byte is the type, and few are other than envelopes.
    """CREATE INDEX leaf_other ON leaf ("index") WHERE substr(entry, 3, 1) <> x'01'""",
    "CREATE TABLE checkpoint (size INTEGER PRIMARY KEY NOT NULL, note BLOB NOT NULL)",
)

_REGISTER: Final = (
    # What an examination made of the leaves; all of it can be made again. Rows name each other by number.
    "CREATE TABLE progress (name TEXT PRIMARY KEY NOT NULL, data BLOB NOT NULL) WITHOUT ROWID",
    # Roots of complete subtrees of 256, 65536 ... leaves: proofs need no others but those of the leaves around.
    "CREATE TABLE node (level INTEGER, place INTEGER, root BLOB NOT NULL, PRIMARY KEY (level, place)) WITHOUT ROWID",
    "CREATE TABLE chain (room BLOB PRIMARY KEY NOT NULL, seq INTEGER NOT NULL, leaf BLOB NOT NULL) WITHOUT ROWID",
    """CREATE TABLE device (
        number INTEGER PRIMARY KEY NOT NULL, device BLOB NOT NULL UNIQUE, organisation TEXT NOT NULL,
        subject BLOB, role INTEGER, certified INTEGER, revoked INTEGER, compromised_ms INTEGER)""",
    """CREATE TABLE room (
        number INTEGER PRIMARY KEY NOT NULL, room BLOB NOT NULL UNIQUE, created INTEGER, specific BLOB,
        opened_by INTEGER, epoch INTEGER NOT NULL, entries INTEGER NOT NULL,
        first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL)""",
    # A stay of a device in a room: who could read an entry is who was in at its place.
    """CREATE TABLE stay (
        room INTEGER NOT NULL, device INTEGER NOT NULL, from_seq INTEGER NOT NULL, added INTEGER NOT NULL,
        to_seq INTEGER, removed INTEGER, PRIMARY KEY (room, device, from_seq)) WITHOUT ROWID""",
    """CREATE TABLE sender (
        room INTEGER NOT NULL, device INTEGER NOT NULL, counter INTEGER NOT NULL, last BLOB NOT NULL,
        voided BLOB NOT NULL, PRIMARY KEY (room, device)) WITHOUT ROWID""",
    # `upto`: the place in the room that a delivery or a grant reaches. `became`: the label that it gave
    # to another. `held`: whether nothing was wrong with it.
    """CREATE TABLE entry (
        "index" INTEGER PRIMARY KEY NOT NULL, room INTEGER NOT NULL, seq INTEGER NOT NULL, kind INTEGER NOT NULL,
        sender INTEGER NOT NULL, accepted_ms INTEGER NOT NULL, sent_ms INTEGER NOT NULL, label INTEGER NOT NULL,
        precedence INTEGER NOT NULL, size_class INTEGER NOT NULL, epoch INTEGER NOT NULL, envelope BLOB NOT NULL,
        specific BLOB NOT NULL, upto INTEGER, became INTEGER, held INTEGER NOT NULL)""",
    "CREATE INDEX entry_by_envelope ON entry (envelope)",
    "CREATE INDEX entry_by_place ON entry (room, seq)",
    # Messages are most of all, and are found by room: an index over the others stays small.
    "CREATE INDEX entry_by_kind ON entry (kind, room, seq) WHERE kind <> 4",
    """CREATE TABLE mention (
        target INTEGER NOT NULL, "index" INTEGER NOT NULL, PRIMARY KEY (target, "index")) WITHOUT ROWID""",
    """CREATE TABLE finding (
        id INTEGER PRIMARY KEY NOT NULL, severity TEXT NOT NULL, "index" INTEGER, code TEXT NOT NULL,
        text TEXT NOT NULL)""",
    'CREATE INDEX finding_by_index ON finding ("index")',
)

_CUSTODY: Final = (
    # Documents as they were last logged: of a grant that was ended its end, of a hold its release.
    "CREATE TABLE audit_grant (id BLOB PRIMARY KEY NOT NULL, logged INTEGER NOT NULL, document BLOB NOT NULL)",
    """CREATE TABLE legal_hold (
        id BLOB PRIMARY KEY NOT NULL, placed INTEGER NOT NULL, placed_ms INTEGER NOT NULL,
        released INTEGER, released_ms INTEGER, document BLOB NOT NULL)""",
    # What the relay says it has dropped: one row a place.
    """CREATE TABLE erasure (
        room INTEGER NOT NULL, seq INTEGER NOT NULL, "index" INTEGER NOT NULL, cause INTEGER NOT NULL,
        erased_ms INTEGER NOT NULL, PRIMARY KEY (room, seq)) WITHOUT ROWID""",
    # `room` is NULL for an order in its organisation's own chain.
    """CREATE TABLE audit_read (
        "index" INTEGER PRIMARY KEY NOT NULL, room INTEGER, device INTEGER NOT NULL, first INTEGER NOT NULL,
        until INTEGER NOT NULL, ordered_ms INTEGER NOT NULL, audit_grant BLOB)""",
    """CREATE TABLE forgotten (
        organisation TEXT NOT NULL, subject BLOB NOT NULL, "index" INTEGER NOT NULL, erased_ms INTEGER NOT NULL,
        PRIMARY KEY (organisation, subject)) WITHOUT ROWID""",
)

_TIMES: Final = (
    # When leaves existed, by the clocks of witnesses: a row a checkpoint, NULL where no known witness cosigned it.
    """CREATE TABLE bound (
        size INTEGER PRIMARY KEY NOT NULL, note BLOB NOT NULL, earliest_ms INTEGER, latest_ms INTEGER)""",
    # Of entries that are no envelopes of a room: when the relay says that it accepted them.
    'CREATE TABLE aside ("index" INTEGER PRIMARY KEY NOT NULL, accepted_ms INTEGER NOT NULL)',
    """CREATE VIEW accepted AS
        SELECT "index", accepted_ms FROM entry UNION ALL SELECT "index", accepted_ms FROM aside""",
    """CREATE TABLE misdated (
        "index" INTEGER PRIMARY KEY NOT NULL, accepted_ms INTEGER NOT NULL, witnessed_ms INTEGER NOT NULL)""",
)

_QUESTIONS: Final = (
    # What questions are answered from (`amanah_client.audit.questions`) without reading whole rows.
    "DROP INDEX entry_by_place",
    "CREATE INDEX entry_by_place ON entry (room, seq, kind, label, held)",
    'CREATE INDEX entry_refused ON entry ("index") WHERE held = 0',
    'CREATE INDEX leaf_bare ON leaf ("index") WHERE entry IS NULL',
)

ASKED: Final = {
    "entry_by_sender": "entry (sender, room, kind, seq)",
    "entry_counted": "entry (kind, sender, room, specific, held) WHERE kind IN (5, 16)",
    # A histogram reads all entries, and this is a seventh of them.
    "entry_by_time": "entry (accepted_ms, kind, label, sender, room, seq, held)",
}
"""Indices that questions need, made behind an examination: one of many leaves is quicker without them."""

_STAMPS: Final = (
    # Time-stamp tokens on published checkpoints, in the order of their chain: the relay's by its numbers, then those
    # that were added here (`own`).
    """CREATE TABLE stamp (
        own INTEGER NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL, authority TEXT NOT NULL,
        token BLOB NOT NULL, PRIMARY KEY (own, number))""",
    "CREATE INDEX stamp_by_size ON stamp (size, own, number)",
    # What they are worth: under which digest of note, tokens and trusted roots it was found, and a row a token.
    "CREATE TABLE judged (size INTEGER PRIMARY KEY NOT NULL, digest BLOB NOT NULL)",
    """CREATE TABLE dated (
        size INTEGER NOT NULL, place INTEGER NOT NULL, authority TEXT NOT NULL, state TEXT NOT NULL,
        made_ms INTEGER, ends_ms INTEGER, covers BLOB NOT NULL, code TEXT NOT NULL, text TEXT NOT NULL,
        counts INTEGER NOT NULL, PRIMARY KEY (size, place)) WITHOUT ROWID""",
    "CREATE INDEX dated_by_authority ON dated (authority, size, made_ms) WHERE counts = 1",
)

_DEPARTED: Final = (
    # Organisations that a roster in the log named no more: where it stands, and when. Their holds ended with it.
    """CREATE TABLE departed (
        organisation TEXT PRIMARY KEY NOT NULL, "index" INTEGER NOT NULL, accepted_ms INTEGER NOT NULL)""",
)

_FIRST_BYTES: Final = (
    # Ids are random, so each of many new ones lies on another page of their index: eight bytes find one as well as
    # thirty-two, on a third of the pages. Ids that begin alike are told apart by the entries themselves.
    "DROP INDEX entry_by_envelope",
    "CREATE INDEX entry_by_envelope ON entry (substr(envelope, 1, 8))",
)

_SUMS: Final = (
    # Of messages and alerts that hold, a byte a place in stretches of 256: the label, or 255 where none stands. A relay
    # that gives one place to several does not make them fewer: those that came later are in `content_again`.
    """CREATE TABLE content (
        room INTEGER NOT NULL, block INTEGER NOT NULL, labels BLOB NOT NULL,
        PRIMARY KEY (room, block)) WITHOUT ROWID""",
    "CREATE TABLE content_again (room INTEGER NOT NULL, seq INTEGER NOT NULL, label INTEGER NOT NULL)",
    # Their acknowledgements, with what is asked of both: to look each pair up among all entries takes a second.
    """CREATE TABLE acknowledged (
        room INTEGER NOT NULL, seq INTEGER NOT NULL, "index" INTEGER NOT NULL, device INTEGER NOT NULL,
        said_ms INTEGER NOT NULL, grade INTEGER NOT NULL, target INTEGER NOT NULL, sent_ms INTEGER NOT NULL,
        author INTEGER NOT NULL, PRIMARY KEY (room, seq, "index")) WITHOUT ROWID""",
)

STEPS: Final[tuple[tuple[Statement, ...], ...]] = (
    *(_COPY, _REGISTER, _TIMES, _QUESTIONS, _STAMPS, _CUSTODY),
    _DEPARTED,
    _FIRST_BYTES + _SUMS,
)
REGISTER: Final = (
    *("progress", "node", "chain", "device", "room", "stay", "sender", "entry", "mention", "finding"),
    *("bound", "aside", "misdated", "judged", "dated"),
    *("audit_grant", "legal_hold", "erasure", "audit_read", "forgotten", "departed"),
    *("content", "content_again", "acknowledged"),
)
"""Tables that an examination fills."""
