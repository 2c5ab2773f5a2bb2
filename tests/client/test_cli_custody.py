"""Grants, holds and forgotten persons, by hand: two parties on files, without any relay."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from amanah_client.cli import terminal
from amanah_client.cli.main import main
from amanah_protocol.cards import Armour, armour, decode_armour, decode_organisation_card, encode_relay_card
from amanah_protocol.cose import Typ
from amanah_protocol.custody.erasures import decode_person_erasure, verify_person_erasure
from amanah_protocol.custody.grants import check_ends, decode_grant, verify_grant
from amanah_protocol.custody.holds import check_releases, decode_hold, verify_hold
from amanah_protocol.endorse import Endorsed, named_signers
from amanah_protocol.errors import VerifyError
from amanah_protocol.identity import Enrolment, decode_enrolment
from amanah_protocol.labels import Label
from amanah_protocol.roster import Roster, decode_roster, verify_roster
from amanah_protocol.verified import Verified
from amanah_relay.keys import create_relay_keys

ROOM = "5a" * 16
Run = Callable[..., int]


@pytest.fixture
def circle(run: Run, tmp_path: Path) -> Run:
    """Two organisations, each with a custodian besides, and a roster that both have signed."""
    cards = []
    for nation in ("tn", "ma"):
        name = f"cert.example.{nation}"
        assert run(nation, "org", "init", name, "--key-file") == 0
        assert run(f"{nation}-custodian", "org", "custodian", name, "--key-file", "--out", f"{nation}.key") == 0
        assert run(nation, "org", "add-custodian", f"{nation}.key") == 0
        assert run(nation, "org", "card", "--out", f"{nation}.card") == 0
        cards.append(f"{nation}.card")
    card = create_relay_keys(tmp_path / "relay.keys", "relay.example.org/log").card(("wss://relay.example.org:8443",))
    (tmp_path / "relay.card").write_text(armour(Armour.RELAY, encode_relay_card(card)))
    options = ("--community", "Example circle", "--relay", "relay.card", "--threshold", "2", "--out", "roster.txt")
    assert main(["roster", "new", *cards, *options]) == 0
    for nation in ("tn", "ma"):
        assert run(nation, "roster", "sign", "roster.txt") == 0
    return run


def read(path: Path, kind: Armour) -> bytes:
    return decode_armour(path.read_text(), kind)


def trusted(folder: Path) -> Verified[Roster]:
    roster = decode_roster(read(folder / "roster.txt", Armour.ROSTER))
    return verify_roster(roster, None, now_ms=roster.issued_ms)


def enrolment(folder: Path, nation: str = "tn") -> Enrolment:
    return decode_enrolment(decode_organisation_card(read(folder / f"{nation}.card", Armour.ORGANISATION)).enrolment)


GRANT = ("org", "grant-audit", "cert.example.ma", "--purpose", "joint review 7", "--days", "30")


def test_two_parties_grant_and_end_an_audit(
    circle: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    words = ("--room", ROOM, "--label", "green", "--since", "2026-11-01", "--until", "2026-11-20T12:00")
    assert circle("tn", *GRANT, *words, "--out", "one.grant") == 0
    made = decode_grant(read(tmp_path / "one.grant", Armour.AUDIT_GRANT))
    with pytest.raises(VerifyError):
        verify_grant(made, enrolment(tmp_path), trusted(tmp_path))
    capsys.readouterr()
    assert circle("tn-custodian", "org", "countersign", "one.grant", "--out", "two.grant") == 0
    said = capsys.readouterr().err
    assert "cert.example.tn lets cert.example.ma read" in said
    assert "joint review 7" in said
    assert "TLP:GREEN" in said
    assert "accepted at 2026-11-01 00:00:00Z or later, before 2026-11-20 12:00:00Z" in said
    grant = decode_grant(read(tmp_path / "two.grant", Armour.AUDIT_GRANT))
    verify_grant(grant, enrolment(tmp_path), trusted(tmp_path))
    assert (grant.rooms, grant.labels) == ((bytes.fromhex(ROOM),), (Label.GREEN,))
    assert grant.not_after_ms - grant.not_before_ms == 30 * 86_400_000
    assert circle("tn", "org", "end-grant", "two.grant", "--out", "end.one") == 0
    assert circle("tn-custodian", "org", "countersign", "end.one", "--out", "end.two") == 0
    ended = decode_grant(read(tmp_path / "end.two", Armour.AUDIT_GRANT))
    verify_grant(ended, enrolment(tmp_path), trusted(tmp_path))
    check_ends(ended, grant)


def test_the_profile_that_holds_the_enrolment_key_is_no_second_party(
    circle: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert circle("tn", *GRANT, "--all-rooms", "--out", "one.grant") == 0
    for who, code in (("tn", terminal.EXIT_USAGE), ("ma-custodian", terminal.EXIT_USAGE)):
        capsys.readouterr()
        assert circle(who, "org", "countersign", "one.grant", "--out", "two.grant") == code
        assert "custodian" in capsys.readouterr().err
    assert circle("tn-custodian", "org", "countersign", "one.grant", "--out", "two.grant") == 0


def test_the_community_grants_the_whole_log(circle: Run, tmp_path: Path) -> None:
    assert circle("tn", *GRANT, "--all-rooms", "--community", "--out", "one.grant") == 0
    assert circle("ma", "org", "countersign", "one.grant", "--out", "two.grant") == 0
    grant = decode_grant(read(tmp_path / "two.grant", Armour.AUDIT_GRANT))
    assert verify_grant(grant, None, trusted(tmp_path)).value.is_whole_log
    assert circle("ma", "org", "end-grant", "two.grant", "--out", "end.one") == 0
    assert decode_grant(read(tmp_path / "end.one", Armour.AUDIT_GRANT)).granting is None


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--room", ROOM, "--all-rooms"),
        ("--room", "5a"),
        ("--room", "no hex digits at all, thirty-two.."),
        ("--all-rooms", "--subject", "12"),
        ("--all-rooms", "--label", "purple"),
    ],
)
def test_a_grant_that_says_nothing_is_refused(circle: Run, words: tuple[str, ...]) -> None:
    assert circle("tn", *GRANT, *words, "--out", "one.grant") == terminal.EXIT_USAGE


def test_a_grant_for_longer_than_a_year_is_refused(circle: Run) -> None:
    assert circle("tn", *GRANT[:-1], "367", "--all-rooms") != 0


def test_two_parties_place_and_release_a_hold(
    circle: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    reference = "0c" * 16
    assert circle("tn", "org", "hold", "place", ROOM, "--reference", reference, "--out", "one.hold") == 0
    capsys.readouterr()
    assert circle("tn-custodian", "org", "countersign", "one.hold", "--out", "two.hold") == 0
    said = capsys.readouterr().err
    assert reference in said
    assert "holds 5a5a5a5a5a5a5a5a, from its beginning" in said
    assert "1970" not in said
    placed = decode_hold(read(tmp_path / "two.hold", Armour.LEGAL_HOLD))
    verify_hold(placed, enrolment(tmp_path), trusted(tmp_path))
    assert circle("tn", "org", "hold", "release", "two.hold", "--out", "release.one") == 0
    assert circle("tn-custodian", "org", "countersign", "release.one", "--out", "release.two") == 0
    released = decode_hold(read(tmp_path / "release.two", Armour.LEGAL_HOLD))
    verify_hold(released, enrolment(tmp_path), trusted(tmp_path))
    check_releases(released, placed)
    signers = named_signers(Endorsed(document=b"", signatures=released.endorsed.signatures), Typ.LEGAL_HOLD)
    assert len(set(signers)) == 2


def test_what_is_no_document_of_two_parties_is_not_signed(circle: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for file in ("tn.card", "relay.keys"):
        capsys.readouterr()
        assert circle("tn-custodian", "org", "countersign", file) != 0
        assert "an audit grant, a legal hold or a forgotten person is wanted" in capsys.readouterr().err


def test_a_custodian_is_one_of_its_own_organisation_and_once(circle: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert circle("tn", "org", "add-custodian", "ma.key") == terminal.EXIT_USAGE
    assert circle("tn", "org", "add-custodian", "tn.key") == terminal.EXIT_USAGE
    assert circle("tn", "org", "custodian", "cert.example.tn", "--out", "again.key") == terminal.EXIT_USAGE
    assert "key" in capsys.readouterr().err


def test_a_profile_that_is_no_custodians_signs_nothing(circle: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert circle("tn", *GRANT, "--all-rooms", "--out", "one.grant") == 0
    assert circle("a", "device", "request", "cert.example.tn", "--key-file", "--out", "a.request") == 0
    assert circle("a", "org", "countersign", "one.grant") != 0
    assert "amanah org custodian" in capsys.readouterr().err


def test_a_person_is_forgotten_and_the_statement_says_so(
    circle: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert circle("a", "device", "request", "cert.example.tn", "--key-file", "--out", "a.request") == 0
    certify = ("org", "certify", "a.request", "--name", "Officer A", "--roster", "roster.txt", "--out", "a.reply")
    assert circle("tn", *certify) == 0
    capsys.readouterr()
    assert circle("tn", "org", "show", "--json") == 0
    subject = json.loads(capsys.readouterr().out)[0]["subject"]
    assert circle("tn", "org", "forget-person", "00" * 16, "--yes") != 0
    assert circle("tn", "org", "forget-person", subject, "--yes", "--out", "one") == 0
    capsys.readouterr()
    assert circle("tn", "org", "drop-name", "one") != 0
    assert "no custodian of cert.example.tn has signed" in capsys.readouterr().err
    assert circle("tn-custodian", "org", "countersign", "one", "--out", "two") == 0
    assert f"forgets the name of {subject}" in capsys.readouterr().err
    made = decode_person_erasure(read(tmp_path / "two", Armour.FORGOTTEN))
    assert (made.organisation, made.subject.hex()) == ("cert.example.tn", subject)
    verify_person_erasure(made, enrolment(tmp_path), trusted(tmp_path))
    assert circle("tn", "org", "show", "--json") == 0
    assert "Officer A" in capsys.readouterr().out
    assert circle("ma", "org", "drop-name", "two") != 0
    assert circle("tn", "org", "drop-name", "two") == 0
    capsys.readouterr()
    assert circle("tn", "org", "show", "--json") == 0
    shown = capsys.readouterr().out
    assert "Officer A" not in shown
    assert json.loads(shown)[0]["name"] == "(forgotten)"


def test_only_what_is_submitted_is_handed_to_the_relay(circle: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert circle("a", "device", "submit", "tn.card") != 0
    assert "something that is submitted is wanted" in capsys.readouterr().err
