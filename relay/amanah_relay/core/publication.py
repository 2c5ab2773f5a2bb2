"""Checkpoints as the world sees them: published while the log grows, recorded, cosigned by witnesses.

A checkpoint is signed only of a size that is durable, recorded before it is shown, and goes to the
witnesses after that. What they answer is recorded with it: the record says later when the log had
which size, by more than the relay's own word.
"""

from __future__ import annotations

from typing import Final

from amanah_protocol import frames
from amanah_protocol.errors import Code, PeerError, RefusedError
from amanah_protocol.limits import MAX_FRAME_BYTES
from amanah_protocol.log.checkpoint import decode_checkpoint
from amanah_protocol.log.note import Note, NoteSignature, decode_note
from amanah_protocol.log.note_keys import verify_note
from amanah_protocol.log.policy import policy_of_roster
from amanah_protocol.roster import Roster
from amanah_relay.core.clients import Client
from amanah_relay.core.fetch import check_pace
from amanah_relay.core.parts import Books, Parts, Publication
from amanah_relay.core.pending import CheckpointRecord, CheckpointsFetch, StampsFetch
from amanah_relay.effects import Cosign, PutCheckpoint, ReadCheckpoints, ReadStamps
from amanah_relay.inputs import CheckpointsRead, Cosigned, StampsRead

KEPT: Final = 16
"""Published checkpoints that late cosignatures are still taken for."""
LATE_MS: Final = 10_000
"""Cosignatures that take longer are not waited for by those who ask over HTTP."""
MAX_NOTES: Final = 200
_PAGE_BYTES: Final = MAX_FRAME_BYTES - 4_096


def load(parts: Parts, books: Books, notes: tuple[bytes, ...], now_ms: int) -> None:
    """Go on with the newest ones as recorded; what the witnesses have not seen is shown to them again."""
    for note in notes:
        _keep(books, decode_checkpoint(note)[0].size, note)
    # What was stored since the last one, perhaps long ago, is due at once.
    books.publication.published_ms = now_ms if books.ledger.size == books.publication.size else 0
    _ask_witnesses(parts, books)


def advance(parts: Parts, now_ms: int) -> None:
    """Record what witnesses have said, or publish the next checkpoint, if that is due."""
    books = parts.books
    if books is None or parts.stopping or books.publication.asked:
        return
    publication, ledger = books.publication, books.ledger
    if publication.gained:
        size = next(iter(publication.gained))
        _record(parts, publication, size, publication.gained[size])
        return
    waited_ms = now_ms - publication.published_ms
    # A clock that was set back must not make the log fall silent until it has caught up.
    due = not 0 <= waited_ms < parts.limits.checkpoint_interval_ms
    if ledger.size > publication.size and (due or ledger.size - publication.size >= parts.limits.checkpoint_leaves):
        publication.published_ms = now_ms
        _record(parts, publication, ledger.size, ledger.checkpoint())


def recorded(parts: Parts, question: CheckpointRecord, now_ms: int) -> None:
    """A checkpoint is durable: from now on it is shown."""
    books = parts.loaded()
    books.publication.asked = False
    fresh = question.size > books.publication.size
    # Else another witness has answered meanwhile.
    if books.publication.gained.get(question.size) == question.note:
        del books.publication.gained[question.size]
    _keep(books, question.size, question.note)
    if fresh:
        _ask_witnesses(parts, books)
    advance(parts, now_ms)


def fail(parts: Parts) -> None:
    """The store could not record one: it is tried again, what was to be published at the size of then."""
    if parts.books is not None:
        parts.books.publication.asked = False


def cosigned(parts: Parts, event: Cosigned, now_ms: int) -> None:
    """A witness has cosigned; what is not of a witness of the roster, or known already, changes nothing."""
    books = parts.books
    if books is None or event.size not in books.publication.notes:
        return
    publication = books.publication
    note = decode_note(publication.gained.get(event.size, publication.notes[event.size]))
    try:
        found = verified_lines(books.state.roster.value, note, event.lines)
    except PeerError:
        return  # the shell has verified the same, and said so to the operator
    # The first cosignature of a key stays: it says the most about when, and a note does not grow without end.
    signed = {(line.name, line.key_id) for line in note.signatures}
    fresh = tuple(line for line in found if (line.name, line.key_id) not in signed)
    if fresh:
        merged = Note(text=note.text, signatures=(*note.signatures, *fresh))
        publication.gained[event.size] = merged.encode()
        advance(parts, now_ms)


def verified_lines(roster: Roster, note: Note, answer: bytes) -> tuple[NoteSignature, ...]:
    """The cosignatures of the roster's witnesses among the lines that one of them answered.

    Raises:
        DecodeError: They are no signature lines.
        VerifyError: `SIGNATURE` when one of a known witness fails, or none is of a known witness.
    """
    answered = decode_note(note.text.encode() + b"\n" + answer)
    keys = [witness.key for witness in policy_of_roster(roster).witnesses.values()]
    found = {(known.verifier.name, known.verifier.key_id) for known in verify_note(answered, keys)}
    lines = {(line.name, line.key_id): line for line in answered.signatures}
    return tuple(lines[key] for key in lines if key in found)


def newest(books: Books, now_ms: int) -> bytes:
    """What the log shows to whoever asks: the newest that the quorum has cosigned, or a newer one if that is late."""
    publication = books.publication
    if not publication.notes:
        return books.ledger.checkpoint()
    late = now_ms - publication.published_ms > LATE_MS
    size = publication.size if late or not publication.witnessed else publication.witnessed
    return publication.notes[size]


def witnessed(books: Books) -> bytes | None:
    """The newest checkpoint that the quorum has cosigned, as it is recorded; None for none."""
    return books.publication.notes.get(books.publication.witnessed)


def give_witnessed(parts: Parts, client: Client, request: int) -> None:
    """Give the newest checkpoint that the roster's quorum of witnesses has cosigned.

    Raises:
        AmanahError: `STOPPING`, `STORE`, or `NOT_FOUND` when there is none yet.
    """
    parts.check_open()
    publication = parts.loaded().publication
    if not publication.witnessed:
        detail = "no checkpoint has the cosignatures of the quorum yet"
        raise RefusedError(Code.NOT_FOUND, detail, retry_after_ms=parts.limits.checkpoint_interval_ms)
    note = publication.notes[publication.witnessed]
    parts.out.send(client.session, frames.Checkpoint(request=request, note=note))


def fetch(parts: Parts, client: Client, frame: frames.GetCheckpoints) -> None:
    """Ask for published checkpoints behind a size.

    Raises:
        AmanahError: `STOPPING`, `STORE`, `SLOW` or `RATE`.
    """
    _check_readable(parts, client)
    token = parts.ask(CheckpointsFetch(client=client, request=frame.request))
    parts.out.add(ReadCheckpoints(token=token, after=frame.after, limit=MAX_NOTES, max_bytes=_PAGE_BYTES))


def answer(parts: Parts, question: CheckpointsFetch, read: CheckpointsRead) -> None:
    """The store has read published checkpoints."""
    if parts.knows(question.client):
        parts.out.send(question.client.session, frames.Checkpoints(request=question.request, notes=read.notes))


def fetch_stamps(parts: Parts, client: Client, frame: frames.GetStamps) -> None:
    """Ask for time stamps behind a number.

    Raises:
        AmanahError: `STOPPING`, `STORE`, `SLOW` or `RATE`.
    """
    _check_readable(parts, client)
    token = parts.ask(StampsFetch(client=client, request=frame.request))
    parts.out.add(ReadStamps(token=token, after=frame.after, limit=MAX_NOTES, max_bytes=_PAGE_BYTES))


def answer_stamps(parts: Parts, question: StampsFetch, read: StampsRead) -> None:
    """The store has read time stamps."""
    if parts.knows(question.client):
        stamps = tuple(
            frames.Stamp(
                number=stamp.number, size=stamp.size, authority=stamp.authority, note=stamp.note, token=stamp.data
            )
            for stamp in read.stamps
        )
        parts.out.send(question.client.session, frames.Stamps(request=question.request, stamps=stamps))


def _check_readable(parts: Parts, client: Client) -> None:
    parts.check_open()
    check_pace(parts, client)
    parts.loaded()


def _record(parts: Parts, publication: Publication, size: int, note: bytes) -> None:
    publication.asked = True
    token = parts.questions.ask(CheckpointRecord(size=size, note=note))
    parts.out.add(PutCheckpoint(token=token, size=size, note=note))


def _keep(books: Books, size: int, note: bytes) -> None:
    publication = books.publication
    publication.notes[size] = note
    if size > publication.witnessed and _is_witnessed(books.state.roster.value, note):
        publication.witnessed = size
    while len(publication.notes) > KEPT:
        oldest = next(size for size in publication.notes if size != publication.witnessed)
        del publication.notes[oldest]
        publication.gained.pop(oldest, None)


def _is_witnessed(roster: Roster, note: bytes) -> bool:
    try:
        policy_of_roster(roster).verify_note(note)
    except PeerError:
        return False
    return True


def _ask_witnesses(parts: Parts, books: Books) -> None:
    publication = books.publication
    if publication.size:
        parts.out.add(Cosign(size=publication.size, note=publication.notes[publication.size]))
