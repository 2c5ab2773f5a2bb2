"""A `publish`: the checks that need no room, what is known already, and the admission of the rest.

Order of checks, `protocol.md` section 4: size, canonical form, types (`decode_envelope`), content
hash, `kid`, signature, id known, then `admission`. Signatures are verified outside, where another
processor may be free; answers come in order, so that a device's publishes do not overtake one another.
What was received whole is admitted although its sender may be gone by then.
"""

from __future__ import annotations

from amanah_protocol import frames
from amanah_protocol.crypto import SignatureClaim
from amanah_protocol.envelope import check_content, claim_of, decode_envelope, verify_answered
from amanah_protocol.errors import AmanahError, Code, RefusedError
from amanah_protocol.kinds import Welcome
from amanah_relay.core.acknowledgement import acknowledge_again, settled_from_store
from amanah_relay.core.admission import Beside, Incoming
from amanah_relay.core.clients import Client
from amanah_relay.core.ledger import Settled
from amanah_relay.core.parts import Books, Parts
from amanah_relay.core.pending import Candidate, IdLookup, Publishing, SignatureCheck
from amanah_relay.core.replies import Publisher
from amanah_relay.core.sequencer import Unit
from amanah_relay.core.staging import Staging
from amanah_relay.effects import ReadKnown, Verify
from amanah_relay.inputs import Known


def receive(parts: Parts, client: Client, frame: frames.Publish) -> None:
    """Take a publish."""
    position = 0
    try:
        parts.check_open()
        if parts.loaded().sequencer.queued_bytes > parts.limits.queue_bytes:
            raise RefusedError(Code.RATE, "the store is behind", retry_after_ms=parts.limits.retry_ms)
        candidates: list[Candidate] = []
        claims: list[SignatureClaim] = []
        for position, item in enumerate(frame.items):  # noqa: B007 - names the item that is refused
            candidate = _check_item(parts.staging, client, item)
            candidates.append(candidate)
            claims.append(claim_of(candidate.envelope, client.public_key))
    except AmanahError as error:
        parts.out.refuse(client.session, frame.request, error, position=position)
        return
    check = SignatureCheck(client=client, request=frame.request, candidates=candidates)
    parts.out.add(Verify(token=parts.questions.ask(check), claims=tuple(claims)))


def answer_check(parts: Parts, check: SignatureCheck, holds: tuple[bool, ...], now_ms: int) -> None:
    """The signatures of a publish were verified; each holds or does not."""
    client, request = check.client, check.request
    position = 0
    try:
        books = parts.loaded()
        items: list[Incoming] = []
        for position, (candidate, held) in enumerate(zip(check.candidates, holds, strict=True)):  # noqa: B007 - names the item that is refused
            verified = verify_answered(candidate.envelope, holds=held)
            items.append(Incoming(envelope=verified, beside=candidate.beside))
    except AmanahError as error:
        parts.out.refuse(client.session, request, error, position=position)
        return
    publishing = Publishing(client=client, request=request, items=items)
    for position, incoming in enumerate(items):
        if _may_be_stored(books, incoming):
            publishing.unanswered.add(position)
            token = parts.questions.ask(IdLookup(publishing=publishing, position=position))
            parts.out.add(ReadKnown(token=token, envelope=incoming.envelope.value.id))
    if not publishing.unanswered:
        _finish(parts, publishing, now_ms)


def answer(parts: Parts, lookup: IdLookup, known: Known | None, now_ms: int) -> None:
    """The store has said whether it knows an id."""
    publishing = lookup.publishing
    if lookup.position not in publishing.unanswered:
        return  # another answer failed, and the whole publish is refused already
    publishing.unanswered.discard(lookup.position)
    if known is not None:
        publishing.known[lookup.position] = settled_from_store(known)
    if not publishing.unanswered and parts.knows(publishing.client):
        _finish(parts, publishing, now_ms)


def fail(parts: Parts, lookup: IdLookup, error: AmanahError) -> None:
    """The store could not say; the whole publish is refused, once."""
    publishing = lookup.publishing
    if publishing.unanswered and parts.knows(publishing.client):
        parts.out.refuse(publishing.client.session, publishing.request, error, position=lookup.position)
    publishing.unanswered.clear()


def _check_item(staging: Staging, client: Client, item: frames.Item) -> Candidate:
    """The checks on one envelope that need no room, but for the signature's.

    Raises:
        DecodeError: as `decode_envelope`.
        VerifyError: `CONTENT_HASH`.
    """
    envelope = decode_envelope(item.envelope)
    specific = envelope.header.specific
    content, tree = item.content, None
    staged: tuple[bytes, ...] = ()
    if content is None and not envelope.header.is_sealed:
        content = b""
    elif content is None:
        # Not staged is refused behind "id known": a repetition needs no content any more.
        content = staging.get(client.session, envelope.payload)
        staged = (envelope.payload,)
    if content is not None:
        check_content(envelope, content)
    if isinstance(specific, Welcome) and specific.tree_hash is not None:
        tree = staging.get(client.session, specific.tree_hash)
        staged = (*staged, specific.tree_hash)
    return Candidate(envelope=envelope, beside=Beside(content=content, tree=tree, staged=staged))


def _may_be_stored(books: Books, item: Incoming) -> bool:
    """Whether only the store can say if this id is known: its counter was used, and we do not know by whom."""
    envelope = item.envelope.value
    header = envelope.header
    room = books.state.rooms.get(header.room)
    member = None if room is None else room.members.get(header.kid)
    if member is None or header.counter > member.last_counter:
        return False
    return envelope.id not in books.sequencer.pending and envelope.id not in books.ledger.recent


def _finish(parts: Parts, publishing: Publishing, now_ms: int) -> None:
    """Answer what is known, admit the rest as one transaction."""
    client, request = publishing.client, publishing.request
    books = parts.loaded()
    new: list[tuple[int, Incoming]] = []
    settled: list[Settled] = []
    waiting: dict[Unit, list[int]] = {}
    for position, item in enumerate(publishing.items):
        key = item.envelope.value.id
        known = publishing.known.get(position) or books.ledger.recent.get(key)
        if known is not None:
            settled.append(known)
        elif (place := books.sequencer.pending.get(key)) is not None:
            waiting.setdefault(place[0], []).append(place[1])
        else:
            new.append((position, item))
    acknowledge_again(parts.out, books.ledger, client.session, request, settled)
    for unit, positions in waiting.items():
        unit.waiters.append(Publisher(session=client.session, request=request, positions=tuple(positions)))
    if new:
        _admit(parts, books, publishing, new, now_ms)


def _admit(parts: Parts, books: Books, publishing: Publishing, new: list[tuple[int, Incoming]], now_ms: int) -> None:
    client, request = publishing.client, publishing.request
    transaction = books.admission.begin(client.device, books.sequencer.next_index, books.at_ms(now_ms))
    unit = transaction.unit
    position = 0
    try:
        for position, item in new:  # noqa: B007 - names the item that is refused
            books.admission.admit(transaction, item, now_ms)
    except AmanahError as error:
        transaction.roll_back()
        parts.out.refuse(client.session, request, error, position=position, time_ms=unit.at_ms)
        return
    for _, item in new:
        # What was staged for it is with its unit now.
        for payload in item.beside.staged:
            parts.staging.discard(client.session, payload)
    unit.waiters.append(Publisher(session=client.session, request=request, positions=tuple(range(len(new)))))
    books.enqueue(unit)
