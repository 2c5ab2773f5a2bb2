"""A profile whose rooms hold many messages: each one signed as in earnest, and written by the store's own writes."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from amanah_client import effects as e
from amanah_client import model
from amanah_client.enrolment import install_reply, request_device
from amanah_client.home import Home, create_profile
from amanah_client.keystore import create_key_file
from amanah_protocol.content.bodies import Said
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.sealed import Content, View, encode_content
from amanah_protocol.content.task import Task
from amanah_protocol.content.text import Called, Mention, Text
from amanah_protocol.crypto import SigningKey
from amanah_protocol.envelope import Envelope
from amanah_protocol.identity import Role, decode_certificate
from amanah_protocol.kinds import Ack, Grade, Message
from amanah_protocol.labels import Label, Pap
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.log.note_keys import NoteSigner
from amanah_protocol.roster import Relay
from amanah_protocol.types import DeviceId, EnvelopeId, LeafHash, OrgName, RoomId
from bench.community import Author, Device, Organisation, make_roster, open_room
from bench.relay import ORIGIN

ROOMS: Final = 20
LARGEST: Final = f"Phishing wave {ROOMS - 1}"
"""The room that has a fifth of all messages."""
DEVICES: Final = 24
SOME: Final = 500
"""Messages of one transaction."""
WORDS: Final = 20_000
SEARCHED: Final = {
    "frequent word": "phishing",
    "rare word": "kerberoasting",
    "phrase": '"sinkhole the domain"',
    "beginning of a word": "kerb",
    "one letter": "p",
}
_OFTEN: Final = ("phishing", "domain", "server", "patch", "ministry", "seen", "host", "mail", "please", "logs")


def filled_profile(folder: Path, messages: int) -> Path:
    """Make a profile with so many messages, a fifth of them in one room; gives its home."""
    now_ms = time.time_ns() // 1_000_000
    organisations = [Organisation(f"cert.example.{land}", now_ms=now_ms) for land in ("de", "fr", "tn")]
    devices = [organisations[number % 3].certify() for number in range(DEVICES)]
    home = Home(folder / "desk")
    home.path.mkdir(mode=0o700)
    profile = create_profile(home, create_key_file(home.key_file))
    roster = make_roster(organisations, _relay(), now_ms=now_ms)
    request = request_device(profile, organisation=organisations[0].name, role=Role.OFFICER)
    reply = organisations[0].answer(request, roster)
    install_reply(profile, reply)
    certificates = [reply.certificate, *(device.certificate.encoded for device in devices)]
    profile.store.commit(tuple(e.PutControl(row=_control(at, one)) for at, one in enumerate(certificates)))
    own = Device(key=profile.device_key, certificate=decode_certificate(reply.certificate), enrolment=reply.enrolment)
    source = random.Random(7)
    words = [_word(source) for _ in range(WORDS)]
    for number in range(ROOMS):
        count = messages // 5 if number == ROOMS - 1 else messages * 4 // 5 // (ROOMS - 1)
        opening = open_room(own, devices, origin=ORIGIN, now_ms=now_ms)
        opening.group.merge()
        room = opening.room
        rows = list(_rows(room, devices, words, count, source, now_ms))
        for at in range(0, count, SOME):
            profile.store.commit(tuple(e.PutMessage(row=row) for row in rows[at : at + SOME]))
        title = f"Phishing wave {number}"
        row = model.RoomRow(
            room=room,
            status=model.RoomStatus.OPEN,
            title=title,
            head_seq=count,
            head_index=number + 1,
            create=opening.create[0][0].encoded,
            added_seq=1,
            counter=1,
            group=opening.group.epoch_state(),
            keys=opening.group.message_state(),
        )
        profile.store.commit((e.PutRoom(row=row),))
    profile.close()
    return home.path


def _relay() -> Relay:
    key = SigningKey.from_seed(bytes(32))
    log = NoteSigner(name=ORIGIN, key=key)
    return Relay(origin=ORIGIN, key=key.public, log_vkey=log.verifier.vkey, addresses=("wss://relay.example.org",))


def _control(number: int, certificate: bytes) -> model.ControlRow:
    return model.ControlRow(
        sequence=number + 1, index=number, type=LeafType.CERTIFICATE, accepted_at_ms=1, previous=LeafHash(bytes(32)),
        hash=LeafHash(bytes(32)), object=certificate, document=None,
    )  # fmt: skip


def _word(source: random.Random) -> str:
    return "".join(
        source.choice("aeiou") if at % 2 else source.choice("bcdfghklmnprstvz") for at in range(source.randint(4, 10))
    )


def _rows(
    room: RoomId, devices: list[Device], words: list[str], count: int, source: random.Random, now_ms: int
) -> Iterator[model.MessageRow]:
    authors = [Author(device, room) for device in devices]
    audience = frozenset(device.id for device in devices)
    said: list[EnvelopeId] = []
    for seq in range(1, count + 1):
        author = source.choice(authors)
        at_ms = now_ms - (count - seq) * 1_000
        last = said[-1] if said else EnvelopeId(bytes(32))
        # Of ten entries two acknowledge, one is a reaction; the others are said.
        if said and source.random() < 0.2:
            ack = Ack(grade=Grade.READ, envelope=source.choice(said[-20:]))
            envelope, _ = author.sign(author.header(ack, epoch=1, audience=audience, now_ms=at_ms, sealed=False))
            yield _row(room, author.device, envelope, seq, at_ms, b"")
            continue
        body = _body(words, source, last, author.device.certificate.organisation)
        envelope, _ = author.message(source.randbytes(300), epoch=1, audience=audience, now_ms=at_ms)
        said.append(envelope.id)
        yield _row(room, author.device, envelope, seq, at_ms, _content(body, source, at_ms))


def _body(words: list[str], source: random.Random, last: EnvelopeId, nation: OrgName) -> Said:
    chance = source.random()
    if chance < 0.12:
        return Reaction(message=last, sign="👀")
    if chance < 0.125:
        return Task(id=source.randbytes(16), what="block the host", nation=nation)
    # Few words are frequent and many are rare, as in what people write.
    said = [
        source.choice(_OFTEN) if source.random() < 0.3 else words[int(WORDS * source.random() ** 3)] for _ in range(14)
    ]
    if source.random() < 0.0003:
        said.append("kerberoasting")
    if source.random() < 0.01:
        said.append("sinkhole the domain")
    reply_to = last if source.random() < 0.2 else None
    mentions = (Mention(called=Called.NATION, organisation=nation),) if source.random() < 0.02 else ()
    return Text(text=" ".join(said), reply_to=reply_to, mentions=mentions)


def _content(body: Said, source: random.Random, at_ms: int) -> bytes:
    view = View(
        log_size=9, log_root=source.randbytes(32), log_signature=source.randbytes(64), room_seq=1, room_head=bytes(32)
    )
    return encode_content(
        Content(
            message_id=source.randbytes(16),
            written_at_ms=at_ms,
            label_number=Label.AMBER,
            pap_number=Pap.AMBER,
            view=view,
            body=body,
        )
    )


def _row(room: RoomId, device: Device, envelope: Envelope, seq: int, at_ms: int, content: bytes) -> model.MessageRow:
    return model.MessageRow(
        room=room,
        envelope=envelope.id,
        room_seq=seq,
        index=seq,
        accepted_at_ms=at_ms,
        previous=LeafHash(bytes(32)),
        encoded=envelope.encoded,
        sender=DeviceId(device.id),
        organisation=device.certificate.organisation,
        kind=4 if isinstance(envelope.header.specific, Message) else 7,
        label=Label.AMBER,
        label_differs=False,
        sent_at_ms=at_ms,
        written_at_ms=at_ms if content else None,
        state=model.MessageState.STORED,
        content=content,
        key=bytes(32) if content else b"",
    )
