"""What people hand to each other: armour survives a mail, cards are checked, fingerprints can be spoken."""

from __future__ import annotations

import pytest

from amanah_protocol import cards, cbor, identity
from amanah_protocol.cards import Armour, OrganisationCard, Reply
from amanah_protocol.crypto import SigningKey
from amanah_protocol.endorse import Endorsed, endorse
from amanah_protocol.errors import Code, DecodeError, VerifyError
from amanah_protocol.roster import Organisation, Relay
from amanah_protocol.types import OrgName
from tests.protocol.refusal import refused
from tests.vectors import examples as x

NOW = 1_790_000_000_000
NAME = OrgName("cert.example.tn")
ROOT, ENROLMENT = SigningKey(b"r" * 32), SigningKey(b"e" * 32)
REPLY = Reply(certificate=b"c", enrolment=b"e", profile=b"p", roster=b"r")


def card(name: OrgName = NAME, signer: SigningKey = ROOT) -> OrganisationCard:
    document = identity.enrolment_document(name, ENROLMENT.public, now_ms=NOW)
    enrolment = Endorsed(document=document, signatures=(endorse(document, signer),)).encode()
    organisation = Organisation(name=NAME, threshold=1, roots=(ROOT.public,))
    return OrganisationCard(organisation=organisation, enrolment=enrolment)


def test_a_custodians_key_is_read_back_and_nothing_else_is_one() -> None:
    assert cards.decode_custodian(cards.encode_custodian(NAME, ROOT.public)) == (NAME, ROOT.public)
    with refused(Code.BAD_TYPE, DecodeError):
        cards.decode_custodian(cbor.encode(["amanah/custodian/2", NAME, ROOT.public]))
    with refused(Code.BAD_TYPE, DecodeError):
        cards.decode_custodian(cards.encode_custodian(NAME, ROOT.public[1:]))


def test_armour_survives_a_mail() -> None:
    wrapped = cards.armour(Armour.REPLY, bytes(range(256)))
    assert max(map(len, wrapped.splitlines())) <= 64
    mail = "Dear colleague,\n\n" + wrapped.replace("\n", "\r\n") + "\nRegards\n"
    assert cards.decode_armour(mail, Armour.REPLY) == bytes(range(256))


def test_armour_of_another_kind_is_named() -> None:
    with refused(Code.BAD_TYPE, DecodeError):
        cards.decode_armour(cards.armour(Armour.ROSTER, b"x"), Armour.REPLY)
    with refused(Code.BAD_TYPE, DecodeError):
        cards.decode_armour("no armour at all", Armour.REPLY)
    assert cards.armour_kind("no armour at all") is None


@pytest.mark.parametrize("damage", ["cut", "alphabet", "padding"])
def test_damaged_armour_is_refused(damage: str) -> None:
    whole = cards.armour(Armour.REPLY, bytes(100))
    broken = {
        "cut": whole.rsplit("-----END", 1)[0],
        "alphabet": whole.replace("AAAA", "A?AA", 1),
        "padding": whole.replace("==", "="),
    }[damage]
    with refused(Code.MALFORMED, DecodeError):
        cards.decode_armour(broken, Armour.REPLY)


def test_armour_has_a_bound() -> None:
    large = bytes(2 * 2**20 + 1)
    with refused(Code.TOO_LARGE, DecodeError):
        cards.decode_armour(cards.armour(Armour.REPLY, large), Armour.REPLY)


def test_a_fingerprint_is_eight_numbers_of_eleven_bits_and_changes_with_each_bit() -> None:
    numbers = cards.fingerprint(b"roster")
    assert len(numbers) == 8
    assert all(0 <= number < 2048 for number in numbers)
    assert numbers != cards.fingerprint(b"rosteR")


def test_an_organisations_card_is_checked_against_its_own_roots() -> None:
    assert cards.decode_organisation_card(card().encode()) == card()
    with refused(Code.THRESHOLD, VerifyError):
        cards.decode_organisation_card(card(signer=SigningKey(b"x" * 32)).encode())
    with refused(Code.BAD_TYPE, DecodeError):
        cards.decode_organisation_card(card(name=OrgName("cert.example.ma")).encode())


def test_a_relays_card_comes_back_as_it_was() -> None:
    relay = Relay(
        key=x.RELAY_KEY.public,
        log_vkey=x.LOG_SIGNER.verifier.vkey,
        origin=x.ORIGIN,
        addresses=("wss://relay.example.org:8443",),
        tls_hashes=(bytes(32),),
    )
    assert cards.decode_relay_card(cards.encode_relay_card(relay)) == relay


def test_a_reply_comes_back_as_it_was() -> None:
    assert cards.decode_reply(REPLY.encode()) == REPLY


def test_one_file_is_not_taken_for_another() -> None:
    for decode in (cards.decode_reply, cards.decode_relay_card, cards.decode_organisation_card):
        with pytest.raises(DecodeError):
            decode(cbor.encode(["amanah/something-else/1", b"", b"", b"", b""]))


def test_a_witness_is_read_from_its_keys_in_any_order() -> None:
    both = x.WITNESSES[1]
    assert both.name != both.keys[0].name
    lines = [key.vkey for key in both.keys]
    for text in ("\n".join(lines), f"# our witness\r\n\n  {lines[1]}\n{lines[0]}\n"):
        read = cards.decode_witness_keys(text)
        assert (read.name, read.keys) == ("witness.example.tn", both.keys)
    assert cards.decode_witness_keys(lines[1]).keys == both.keys[1:]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", Code.BAD_TYPE),
        ("# nothing\n", Code.BAD_TYPE),
        (x.LOG_SIGNER.verifier.vkey, Code.BAD_TYPE),
        (f"{x.WITNESSES[0].keys[0].vkey}\n{x.WITNESSES[1].keys[0].vkey}\n", Code.BAD_TYPE),
        (f"witness w {x.WITNESSES[0].keys[0].vkey}\n", Code.MALFORMED),
    ],
)
def test_what_are_not_the_keys_of_one_witness_is_refused(text: str, code: Code) -> None:
    with refused(code, DecodeError):
        cards.decode_witness_keys(text)
