"""Login (`protocol.md` section 3): both sides sign one transcript, the relay first. One attempt."""

from __future__ import annotations

from typing import assert_never

from amanah_protocol import frames, session
from amanah_protocol.errors import AmanahError, Code, OperationalError, RefusedError, VerifyError
from amanah_protocol.identity import decode_certificate, decode_enrolment
from amanah_protocol.session import Transcript
from amanah_protocol.types import DeviceId
from amanah_relay.core import control
from amanah_relay.core.clients import Client, Connection, Step
from amanah_relay.core.parts import Parts
from amanah_relay.core.pending import StockCount
from amanah_relay.core.replies import Newcomer
from amanah_relay.effects import CountKeyPackages
from amanah_relay.inputs import Connected


def connect(parts: Parts, connected: Connected, now_ms: int) -> None:
    """A connection is open; it is closed at once where there is no place for it."""
    try:
        parts.check_open()
        parts.clients.open(connected, now_ms)
    except AmanahError as error:
        parts.close(connected.session, error)


def receive(parts: Parts, connection: Connection, data: bytes, now_ms: int) -> None:
    """Take a frame of somebody who has not logged in; whatever is wrong with it ends the connection."""
    try:
        parts.check_open()
        frame = frames.decode_login_frame(data)
        match frame:
            case frames.Hello():
                _challenge(parts, connection, frame, now_ms)
            case frames.Proof():
                _prove(parts, connection, frame, now_ms)
            case _:
                assert_never(frame)
    except AmanahError as error:
        parts.reject(connection.session, error)


def expire(parts: Parts, now_ms: int) -> None:
    """Close connections whose time for login is over."""
    for connection in parts.clients.overdue(now_ms):
        parts.close(connection.session, OperationalError(Code.TIMEOUT, "no login in time"))


def logged(parts: Parts, client: Client) -> None:
    """The client's chain is durable; what is left is to count its key packages."""
    client.login.advance(Step.LOGGED)
    token = parts.questions.ask(StockCount(client=client))
    parts.out.add(CountKeyPackages(token=token, device=client.device))


def welcome(parts: Parts, client: Client, stock: tuple[tuple[int, int], ...], now_ms: int) -> None:
    """The login is accepted."""
    ledger = parts.loaded().ledger
    client.login.advance(Step.COUNTED)
    client.stock.update(stock)
    rooms = ledger.room_states(client.device)
    ready = frames.Ready(
        control_head=ledger.control_head(now_ms),
        checkpoint=ledger.shown_checkpoint(),
        rooms=tuple(rooms[: parts.limits.ready_rooms]),
        stock=stock,
    )
    parts.out.send(client.session, ready)
    for room in rooms[parts.limits.ready_rooms :]:
        parts.out.send(client.session, room)


def _challenge(parts: Parts, connection: Connection, hello: frames.Hello, now_ms: int) -> None:
    connection.login.advance(Step.HELLO)
    identity = parts.identity
    if hello.dialled not in identity.addresses:
        # A relay in the middle that passes its own client's login on is found out here (attack 35).
        raise VerifyError(Code.LOGIN, "this relay is not reached under the address that was dialled")
    transcript = Transcript(
        offered=hello.versions,
        chosen=session.choose_version(hello.versions),
        relay=identity.relay_id,
        origin=identity.origin,
        dialled=hello.dialled,
        tls_hash=connection.tls_hash,
        client_nonce=hello.client_nonce,
        relay_nonce=connection.nonce,
        device=DeviceId(hello.device),
        certificate_hash=hello.certificate_hash,
        control_sequence=parts.loaded().ledger.control.head_seq,
        time_ms=now_ms,
    )
    connection.transcript = transcript
    challenge = frames.Challenge(
        chosen=transcript.chosen,
        relay=transcript.relay,
        origin=transcript.origin,
        relay_nonce=transcript.relay_nonce,
        control_sequence=transcript.control_sequence,
        time_ms=now_ms,
        signature=session.sign_as_relay(transcript, identity.key),
    )
    parts.out.send(connection.session, challenge)


def _prove(parts: Parts, connection: Connection, proof: frames.Proof, now_ms: int) -> None:
    connection.login.advance(Step.PROOF)
    books = parts.loaded()
    certificate = decode_certificate(proof.certificate)
    transcript = connection.transcript
    if certificate.hash != transcript.certificate_hash or certificate.device_id != transcript.device:
        raise VerifyError(Code.LOGIN, "the certificate is not the one that the login began with")
    session.verify_client_proof(transcript, proof.signature, certificate.public_key)
    enrolment = decode_enrolment(proof.enrolment)
    control.check_login_chain(books.state, certificate, enrolment, books.at_ms(now_ms))
    parts.clients.check_room_for(certificate)
    unit = control.log_chain(parts, certificate, enrolment, now_ms)
    older = parts.clients.of_device(certificate.device_id)
    if older is not None:
        # Two live connections of one device would each see half of what is sent to it.
        parts.close(older.session, RefusedError(Code.REPLACED, "the device logged in anew"))
    client = parts.clients.admit(connection, certificate)
    if unit is None:
        logged(parts, client)
    else:
        unit.waiters.append(Newcomer(session=client.session))
