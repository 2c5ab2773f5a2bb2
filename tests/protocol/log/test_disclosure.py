from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_protocol import cbor, endorse, identity, kinds
from amanah_protocol.content.sealed import Content, View, encode_content
from amanah_protocol.content.text import Text
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.endorse import Endorsed
from amanah_protocol.envelope import Envelope, Header, derive_commitment, sign_envelope
from amanah_protocol.errors import Code, DecodeError, PeerError, VerifyError
from amanah_protocol.kinds import MediaType
from amanah_protocol.labels import Label, Precedence
from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint
from amanah_protocol.log.disclosure import Disclosed, Disclosure, decode_disclosure, verify_disclosure
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.log.merkle import inclusion_path
from amanah_protocol.log.note_keys import NoteSigner
from amanah_protocol.roster import Organisation, Relay, Roster, decode_roster, roster_document, verify_roster
from amanah_protocol.types import ZERO_32, EnvelopeId, LeafHash, RoomId
from amanah_protocol.verified import Verified
from tests.protocol.group.devices import ENROLMENT_KEY, NOW_MS, ORGANISATION, ROOT, device
from tests.protocol.log.trees import StoredTree

ORIGIN: Final = "relay.example.org/log"
LOG: Final = NoteSigner(name=ORIGIN, key=SigningKey.from_seed(sha256(b"log")))
OTHER_LOG: Final = NoteSigner(name="other.example.org/log", key=SigningKey.from_seed(sha256(b"other log")))
ROOM: Final = RoomId(b"\4" * 16)
K: Final = bytes(range(32))
DAY_MS: Final = 86_400_000
CONTENT: Final = Content(
    message_id=bytes(16),
    written_at_ms=NOW_MS,
    label_number=Label.AMBER,
    pap_number=0,
    view=View(log_size=0, log_root=ZERO_32, log_signature=b"", room_seq=0, room_head=ZERO_32),
    body=Text(text="incident"),
)


def community(log: NoteSigner = LOG) -> Verified[Roster]:
    document = roster_document(
        version=1,
        community="a community",
        issued_ms=NOW_MS,
        threshold=1,
        organisations=(Organisation(name=ORGANISATION, threshold=1, roots=(ROOT.public,)),),
        relays=(
            Relay(
                key=sha256(b"relay 1"),
                log_vkey=OTHER_LOG.verifier.vkey,
                origin=OTHER_LOG.name,
                addresses=("wss://relay.example.org:443",),
            ),
            Relay(
                key=sha256(b"relay 2"),
                log_vkey=log.verifier.vkey,
                origin=ORIGIN,
                addresses=("wss://relay.example.org:443",),
            ),
        ),
    )
    endorsed = Endorsed(document=document, signatures=(endorse.endorse(document, ROOT),))
    return verify_roster(decode_roster(endorsed.encode()), None, now_ms=NOW_MS)


ROSTER: Final = community()


@dataclass(kw_only=True)
class Record:
    """One message in a log of a dozen leaves; every part can be made otherwise before it is logged."""

    sender: int = 1
    signed_by: int = 1
    room: RoomId = ROOM
    leaf_room: RoomId = ROOM
    leaf_type: LeafType = LeafType.ENVELOPE
    accepted_at_ms: int = NOW_MS
    content: bytes = encode_content(CONTENT)
    index: int = 5
    size: int = 12
    signer: NoteSigner = LOG

    def envelope(self) -> Envelope:
        kid = device(self.sender).id
        header = Header(
            kid=kid,
            media_type=MediaType.MLS,
            room=self.room,
            epoch=1,
            counter=1,
            previous=EnvelopeId(ZERO_32),
            sent_at_ms=NOW_MS,
            label=Label.AMBER,
            precedence=Precedence.ROUTINE,
            audience=bytes(32),
            commitment=derive_commitment(K, self.room, kid, 1, self.content),
            size_class=1,
            specific=kinds.Message(),
        )
        return sign_envelope(header, b"sealed", device(self.signed_by).key)

    def disclosure(self) -> Disclosure:
        envelope = self.envelope()
        leaf = Leaf(
            type=self.leaf_type,
            accepted_at_ms=self.accepted_at_ms,
            room=self.leaf_room,
            room_seq=3,
            previous=LeafHash(ZERO_32),
            object=envelope.encoded,
        )
        entries = [b"entry %d" % number for number in range(self.size)]
        entries[self.index] = leaf.encode()
        tree = StoredTree(entries)
        head = Checkpoint(origin=self.signer.name, size=self.size, root=tree.frontier.root())
        credential = device(self.sender).credential
        return Disclosure(
            envelope=envelope.encoded,
            k=K,
            content=self.content,
            entry=leaf.encode(),
            index=self.index,
            size=self.size,
            path=inclusion_path(tree.read, self.index, self.size),
            checkpoint=sign_checkpoint(head, self.signer),
            certificate=credential.certificate,
            enrolment=credential.enrolment,
        )


def verified(disclosure: Disclosure) -> Disclosed:
    return verify_disclosure(disclosure, roster=ROSTER).value


def refusal(disclosure: Disclosure, roster: Verified[Roster] = ROSTER) -> tuple[type[PeerError], Code]:
    assert verified(Record().disclosure()).content == CONTENT
    with pytest.raises(PeerError) as refused:
        verify_disclosure(disclosure, roster=roster)
    return type(refused.value), refused.value.code


def test_a_disclosure_shows_who_wrote_what_where_and_when_it_was_accepted() -> None:
    record = Record()
    found = verified(record.disclosure())
    assert found.content == CONTENT
    assert found.envelope.id == record.envelope().id
    assert found.certificate.device_id == device(1).id
    assert found.certificate.organisation == ORGANISATION
    assert (found.leaf.room, found.leaf.room_seq, found.leaf.accepted_at_ms) == (ROOM, 3, NOW_MS)
    assert (found.index, found.checkpoint.size, found.checkpoint.origin) == (5, 12, ORIGIN)


def test_a_disclosure_survives_its_file() -> None:
    disclosure = Record().disclosure()
    assert decode_disclosure(disclosure.encode()) == disclosure


@given(st.integers(1, 70).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1))))
def test_a_disclosure_verifies_at_every_place_of_every_log(place: tuple[int, int]) -> None:
    size, index = place
    found = verified(decode_disclosure(Record(size=size, index=index).disclosure().encode()))
    assert (found.checkpoint.size, found.index) == (size, index)


def test_a_certificate_that_has_expired_since_still_proves_what_it_signed_in_time() -> None:
    late = identity.decode_certificate(device(1).credential.certificate).not_after_ms
    assert verified(Record(accepted_at_ms=late).disclosure()).leaf.accepted_at_ms == late
    assert refusal(Record(accepted_at_ms=late + 1).disclosure()) == (VerifyError, Code.EXPIRED)


def test_an_envelope_signed_by_another_device_is_refused() -> None:
    assert refusal(Record(signed_by=2).disclosure()) == (VerifyError, Code.SIGNATURE)


def test_the_certificate_of_another_device_is_refused() -> None:
    other = replace(Record().disclosure(), certificate=device(2).credential.certificate)
    assert refusal(other) == (VerifyError, Code.KEY_ID)


def test_a_chain_to_a_root_that_the_roster_does_not_name_is_refused() -> None:
    document = identity.enrolment_document(ORGANISATION, ENROLMENT_KEY.public, now_ms=NOW_MS)
    foreign = Endorsed(document=document, signatures=(endorse.endorse(document, SigningKey.from_seed(bytes(32))),))
    disclosure = replace(Record().disclosure(), enrolment=foreign.encode())
    assert refusal(disclosure) == (VerifyError, Code.THRESHOLD)


def test_an_entry_of_another_envelope_is_refused() -> None:
    disclosure = Record().disclosure()
    other = Record(content=encode_content(replace(CONTENT, body=Text(text="another")))).disclosure()
    assert refusal(replace(other, envelope=disclosure.envelope)) == (VerifyError, Code.PROOF)


def test_an_entry_of_another_type_is_refused() -> None:
    assert refusal(Record(leaf_type=LeafType.ERASURE).disclosure()) == (VerifyError, Code.PROOF)


def test_an_entry_in_another_room_is_refused() -> None:
    assert refusal(Record(leaf_room=RoomId(b"\5" * 16)).disclosure()) == (VerifyError, Code.PROOF)


def test_a_checkpoint_by_another_key_than_the_roster_s_is_refused() -> None:
    impostor = NoteSigner(name=ORIGIN, key=SigningKey.from_seed(sha256(b"impostor")))
    assert refusal(Record(signer=impostor).disclosure()) == (VerifyError, Code.CHECKPOINT)
    assert refusal(Record().disclosure(), community(impostor)) == (VerifyError, Code.CHECKPOINT)


def test_a_checkpoint_of_a_log_that_the_roster_does_not_name_is_refused() -> None:
    stranger = NoteSigner(name="stranger.example.org/log", key=SigningKey.from_seed(sha256(b"log")))
    assert refusal(Record(signer=stranger).disclosure()) == (VerifyError, Code.CHECKPOINT)


def test_any_log_of_the_roster_serves() -> None:
    assert verified(Record(signer=OTHER_LOG).disclosure()).checkpoint.origin == OTHER_LOG.name


DISCLOSURE: Final = Record().disclosure()
OTHER_CONTENT: Final = encode_content(replace(CONTENT, body=Text(text="")))
LARGER: Final = Record(size=13).disclosure().checkpoint
ANOTHER: Final = Record(index=6).disclosure().checkpoint
FLAWS: Final[list[tuple[str, Callable[[Disclosure], Disclosure], Code]]] = [
    ("another place", lambda d: replace(d, index=d.index + 1), Code.PROOF),
    ("another size", lambda d: replace(d, size=d.size + 1), Code.PROOF),
    ("a place behind the end", lambda d: replace(d, index=d.size), Code.PROOF),
    ("a shorter path", lambda d: replace(d, path=d.path[:-1]), Code.PROOF),
    ("an altered path", lambda d: replace(d, path=(bytes(32), *d.path[1:])), Code.PROOF),
    ("a checkpoint of another size", lambda d: replace(d, checkpoint=LARGER), Code.PROOF),
    ("a checkpoint of another tree", lambda d: replace(d, checkpoint=ANOTHER), Code.PROOF),
    ("another key", lambda d: replace(d, k=bytes(32)), Code.COMMITMENT),
    ("other content", lambda d: replace(d, content=OTHER_CONTENT), Code.COMMITMENT),
]


@pytest.mark.parametrize(("mutate", "code"), [flaw[1:] for flaw in FLAWS], ids=[flaw[0] for flaw in FLAWS])
def test_a_disclosure_with_one_part_changed_is_refused(mutate: Callable[[Disclosure], Disclosure], code: Code) -> None:
    assert refusal(mutate(DISCLOSURE)) == (VerifyError, code)


def test_content_that_was_committed_to_but_is_none_is_refused() -> None:
    assert refusal(Record(content=b"no content").disclosure())[0] is DecodeError


@given(st.integers(0, len(DISCLOSURE.encode()) * 8 - 1))
def test_a_file_with_any_bit_flipped_proves_nothing(bit: int) -> None:
    flipped = bytearray(DISCLOSURE.encode())
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(PeerError):
        verify_disclosure(decode_disclosure(bytes(flipped)), roster=ROSTER)


@pytest.mark.parametrize(
    ("position", "value"),
    [(0, "amanah/disclosure/2"), (2, bytes(31)), (5, 2**63), (7, [bytes(31)]), (7, [bytes(32)] * 65), (9, "text")],
)
def test_a_file_with_one_field_that_does_not_parse_is_refused(position: int, value: object) -> None:
    fields = cbor.decode(DISCLOSURE.encode(), max_bytes=2**20)
    assert isinstance(fields, list)
    altered = [value if place == position else field for place, field in enumerate(fields)]
    with pytest.raises(DecodeError) as refused:
        decode_disclosure(cbor.encode(altered))
    assert refused.value.code is Code.BAD_TYPE


def test_a_file_above_a_mebibyte_is_refused_unread() -> None:
    with pytest.raises(DecodeError) as refused:
        decode_disclosure(bytes(2**20 + 1))
    assert refused.value.code is Code.TOO_LARGE


def test_no_repr_shows_the_content() -> None:
    assert "incident" not in repr(DISCLOSURE)
    assert repr(K) not in repr(DISCLOSURE)
    assert "incident" not in repr(verified(DISCLOSURE))
