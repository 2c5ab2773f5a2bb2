"""`amanah audit verify --tsa` and `renew-stamps`: against an authority on loopback, made with OpenSSL."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from amanah_client import effects as e
from amanah_client.audit import restamping
from amanah_client.audit.restamping import ask, find_due
from amanah_client.home import Profile
from amanah_client.log_rows import StampRow
from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_protocol.log.policy import encode_policy, policy_of_roster
from amanah_protocol.log.stamp import MAX_REPLY_BYTES, decode_token, encode_request, imprint_of
from tests.authority import DAY, REPLY_TYPE, Authority, AuthoritySite, make_authority, serving
from tests.client.audit.auditor import TOLD, Audit, copy
from tests.client.audit.test_times import published
from tests.protocol.refusal import refused
from tests.vectors import examples as x

pytest.importorskip("rfc3161_client", reason="the extra `timestamps` is not installed")

NOTE = published(TOLD.log, 20, [20])
REQUEST = encode_request(imprint_of(NOTE), 5)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return make_authority(tmp_path / "authority", name="Authority")


def stamp(profile: Profile, authority: Authority, *, ends_days: float = 30) -> bytes:
    """A copy with one time stamp, whose certificate ends after so many days."""
    now = datetime.now(UTC)
    authority.sign_with_new(now - 200 * DAY, now + ends_days * DAY)
    token = authority.token_at(imprint_of(NOTE), now - DAY)
    copy(profile, TOLD)
    row = StampRow(number=1, size=20, authority="https://tsa.example/", note=NOTE, token=token)
    profile.store.commit((e.PutCheckpoints(notes=((20, NOTE),), settled=20), e.PutStamps(stamps=(row,))))
    return token


def roots(authority: Authority) -> Path:
    path = authority.folder / "roots.pem"
    path.write_bytes(authority.pem)
    return path


def tokens(profile: Profile) -> list[bytes]:
    return [token for _, _, token in profile.store.copy.stamps()]


# ---- verify and list


def test_without_a_root_time_stamps_are_not_checked_and_nothing_is_wrong(
    audit: Audit, profile: Profile, authority: Authority
) -> None:
    stamp(profile, authority)
    code, out, _ = audit("verify")
    assert code == 0
    assert "1 time stamp by https://tsa.example/: not checked: unknown authority" in out
    assert "are dated by" not in out


def test_a_root_that_was_named_once_is_trusted_from_then_on(
    audit: Audit, profile: Profile, authority: Authority
) -> None:
    stamp(profile, authority)
    for arguments in (("--tsa", roots(authority)), ()):
        code, out, _ = audit("verify", *arguments)
        assert code == 0
        assert "1 time stamp by CN=Authority: holds" in out
        assert "the leaves below 20 are dated by time stamps on 1 checkpoint" in out
    found = json.loads(audit("verify", "--json")[1])["stamps"]
    assert found == {
        "checkpoints": 1,
        "size": 20,
        "tokens": [{"authority": "CN=Authority", "state": "holds", "count": 1}],
    }


def test_the_list_shows_the_time_of_the_stamp_beside_the_others(
    audit: Audit, profile: Profile, authority: Authority
) -> None:
    stamp(profile, authority)
    audit("verify", "--tsa", roots(authority))
    listed = json.loads(audit("list", "--json")[1])["entries"]
    for entry in listed:
        by = [found["authority"] for found in entry["times"]["stamped"]]
        assert by == (["CN=Authority"] if entry["log_index"] < 20 else [])
        assert set(entry["times"]) == {"claimed", "accepted", "witnessed", "stamped"}
    out = " ".join(audit("list")[1].split())
    assert out.count("stamped not after") == sum(entry["log_index"] < 20 for entry in listed)


def test_whoever_asks_for_the_times_of_an_entry_is_told_of_the_stamp(
    audit: Audit, profile: Profile, authority: Authority
) -> None:
    stamp(profile, authority)
    audit("verify", "--tsa", roots(authority))
    out = " ".join(audit("ask", "times", "--entry", "19")[1].split())
    assert "Time-stamping authorities say that it existed not after" in out
    assert "by CN=Authority" in out
    assert "Time-stamping" not in audit("ask", "times", "--entry", "20")[1]


def test_a_record_without_time_stamps_says_so(audit: Audit, profile: Profile) -> None:
    copy(profile, TOLD)
    assert "no checkpoint of this record carries a time stamp" in audit("verify")[1]


def test_a_forged_time_stamp_is_a_fault_of_the_record(audit: Audit, profile: Profile, authority: Authority) -> None:
    stamp(profile, authority)
    profile.store.copy.add_stamp(20, "own", b"forged")
    code, out, err = audit("verify", "--tsa", roots(authority))
    assert code == 5
    assert "FAULT at the whole record: time stamp 2 of the checkpoint of size 20" in out
    assert "does not hold" in err


def test_a_file_without_roots_is_refused_and_forgets_nothing(
    audit: Audit, profile: Profile, authority: Authority, tmp_path: Path
) -> None:
    stamp(profile, authority)
    audit("verify", "--tsa", roots(authority))
    (tmp_path / "empty.pem").write_bytes(b"none")
    assert audit("verify", "--tsa", tmp_path / "empty.pem")[0] == 2
    assert audit("verify", "--tsa", tmp_path / "absent.pem")[0] == 4
    assert "holds" in audit("verify")[1]


# ---- a bundle


def test_an_export_brings_the_time_stamps_and_a_third_party_checks_them(
    audit: Audit, profile: Profile, authority: Authority, tmp_path: Path
) -> None:
    stamp(profile, authority)
    head = published(TOLD.log, TOLD.log.size, [99])
    token = authority.token_at(imprint_of(head), datetime.now(UTC) - DAY)
    row = StampRow(number=2, size=TOLD.log.size, authority="https://tsa.example/", note=head, token=token)
    profile.store.commit((e.PutStamps(stamps=(row,)),))
    file = tmp_path / "evidence.amanah"
    assert audit("export", file)[0] == 0
    code, out, _ = audit("check", file)
    assert (code, "2 time stamps by https://tsa.example/: not checked: unknown authority" in out) == (0, True)
    assert json.loads(audit("check", file, "--json")[1])["not_checked"] == ["RFC 3161 time stamps"]
    code, out, _ = audit("check", file, "--tsa", roots(authority))
    assert (code, "2 time stamps by CN=Authority: holds" in out) == (0, True)
    found = json.loads(audit("check", file, "--tsa", roots(authority), "--json")[1])
    assert (found["not_checked"], found["stamps"]["size"]) == ([], TOLD.log.size)
    policy = tmp_path / "policy"
    text = encode_policy(policy_of_roster(x.roster_of()))
    policy.write_bytes(text + f"timestamp ours sha256:{authority.root_hash.hex()}\n".encode())
    out = audit("check", file, "--tsa", roots(authority), "--policy", policy)[1]
    assert "2 time stamps by ours: holds" in out
    # Another root of the same name.
    other = make_authority(tmp_path / "other", name="Authority")
    code, out, _ = audit("check", file, "--tsa", roots(other))
    assert code == 5
    assert "time stamp 1 of the checkpoint of size 20: it names CN=Authority, and does not verify" in out


def test_the_tables_of_an_export_name_the_authorities_that_its_exporter_trusts(
    audit: Audit, profile: Profile, authority: Authority, tmp_path: Path
) -> None:
    stamp(profile, authority)
    found: list[dict[int, str]] = []
    for trusted in ((), ("--tsa", roots(authority))):
        assert audit("verify", *trusted)[0] == 0
        file = tmp_path / f"{len(trusted)}.amanah"
        assert audit("export", file)[0] == 0
        with zipfile.ZipFile(file) as bundle:
            table = io.StringIO(bundle.read("entries.csv").decode(), newline="")
        found.append({int(row["log_index"]): row["stamped_not_after"] for row in csv.DictReader(table)})
    assert set(found[0].values()) == {""}
    assert all(said.endswith("Z by CN=Authority") == (index < 20) for index, said in found[1].items())
    assert {index < 20 for index in found[1]} == {True, False}


# ---- renewal


def outlasting(authority: Authority) -> None:
    now = datetime.now(UTC)
    authority.sign_with_new(now - DAY, now + 700 * DAY)


def test_what_ends_soon_is_covered_by_a_token_that_lasts_longer(
    audit: Audit, profile: Profile, authority: Authority
) -> None:
    old = stamp(profile, authority)
    outlasting(authority)
    with serving(authority) as site:
        code, _, err = audit("renew-stamps", site.address, "--tsa", roots(authority))
        assert (code, "1 checkpoint renewed" in err) == (0, True)
        first, second = tokens(profile)
        assert first == old
        assert decode_token(second).imprint == imprint_of(NOTE, (old,))
        # Nothing is left to be renewed.
        code, out, _ = audit("renew-stamps", site.address, "--json")
        assert (code, json.loads(out)["renewed"], len(site.requests)) == (0, 0, 1)
        # Within three years, the new one ends too; it is covered with the older one.
        outlasting(authority)
        now = datetime.now(UTC)
        authority.sign_with_new(now - DAY, now + 2_000 * DAY)
        assert audit("renew-stamps", site.address, "--days", "1000")[0] == 0
    assert decode_token(tokens(profile)[2]).imprint == imprint_of(NOTE, (old, second))
    assert "3 time stamps by CN=Authority: holds" in audit("verify")[1]


def test_what_lasts_longer_is_left_alone(audit: Audit, profile: Profile, authority: Authority) -> None:
    stamp(profile, authority, ends_days=61)
    with serving(authority) as site:
        assert audit("renew-stamps", site.address, "--tsa", roots(authority))[0] == 0
        assert site.requests == []
        outlasting(authority)
        assert audit("renew-stamps", site.address, "--days", "62")[0] == 0
        assert len(site.requests) == 1


def test_a_renewal_that_ends_no_later_is_not_kept(audit: Audit, profile: Profile, authority: Authority) -> None:
    stamp(profile, authority)
    with serving(authority) as site:
        code, _, err = audit("renew-stamps", site.address, "--tsa", roots(authority))
    assert code == 6
    assert "ends no later" in err
    assert len(tokens(profile)) == 1


def test_a_renewal_by_an_authority_that_is_not_trusted_is_not_kept(
    audit: Audit, profile: Profile, authority: Authority, tmp_path: Path
) -> None:
    stamp(profile, authority)
    for name, words in (("Stranger", "none of those that are trusted"), ("Authority", "does not verify")):
        stranger = make_authority(tmp_path / name, name=name)
        with serving(stranger) as site:
            code, _, err = audit("renew-stamps", site.address, "--tsa", roots(authority))
        assert code == 5
        assert words in err
        assert len(tokens(profile)) == 1


def test_without_a_root_nothing_is_renewed(audit: Audit, profile: Profile, authority: Authority) -> None:
    stamp(profile, authority)
    code, _, err = audit("renew-stamps", "http://127.0.0.1:9/")
    assert code == 5
    assert "--tsa" in err


def test_a_checkpoint_with_as_many_tokens_as_are_kept_is_not_renewed(
    audit: Audit, profile: Profile, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamp(profile, authority)
    monkeypatch.setattr(restamping, "MAX_TOKENS", 1)
    with serving(authority) as site:
        assert audit("renew-stamps", site.address, "--tsa", roots(authority))[0] == 2
        assert site.requests == []


def test_what_a_note_is_missing_for_is_not_due(profile: Profile, authority: Authority, audit: Audit) -> None:
    stamp(profile, authority)
    audit("verify", "--tsa", roots(authority))
    wanted = {"now_ms": int(datetime.now(UTC).timestamp() * 1000), "within_ms": 2**40}
    assert [due.size for due in find_due(profile.store.copy, **wanted)] == [20]
    with profile.store.copy.writing() as connection:
        connection.execute("DELETE FROM checkpoint")
    assert list(find_due(profile.store.copy, **wanted)) == []


# ---- asking


def test_an_answer_is_read(authority: Authority) -> None:
    with serving(authority) as site:
        assert decode_token(ask_token(site)).imprint == imprint_of(NOTE)
    assert site.requests == [REQUEST]


def ask_token(site: AuthoritySite) -> bytes:
    from amanah_protocol.log.stamp import decode_reply  # noqa: PLC0415 - of this one test

    return decode_reply(ask(site.address, REQUEST, timeout_s=20), imprint_of(NOTE), 5).data


@pytest.mark.parametrize("status", [301, 404, 500])
def test_an_authority_that_refuses_gives_nothing(authority: Authority, status: int) -> None:
    with serving(authority, (status, "text/plain", b"no")) as site, refused(Code.OFFLINE, OperationalError):
        ask(site.address, REQUEST, timeout_s=20)
    assert len(site.requests) == 1


def test_an_authority_that_does_not_answer_is_not_waited_for(authority: Authority) -> None:
    with serving(authority, None) as site, refused(Code.OFFLINE, OperationalError):
        ask(site.address, REQUEST, timeout_s=0.2)


def test_an_authority_that_trickles_is_not_waited_for(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1_000))
    monkeypatch.setattr("amanah_client.audit.restamping.time.monotonic", lambda: next(clock))
    with serving(authority, (200, REPLY_TYPE, b"x" * 9_000)) as site, refused(Code.OFFLINE, OperationalError):
        ask(site.address, REQUEST, timeout_s=0.5)


def test_a_huge_answer_is_read_no_further_than_it_has_to_be(authority: Authority) -> None:
    with serving(authority, (200, REPLY_TYPE, b"x" * 500_000)) as site:
        assert MAX_REPLY_BYTES < len(ask(site.address, REQUEST, timeout_s=20)) < 2 * MAX_REPLY_BYTES


def test_nobody_is_there() -> None:
    with refused(Code.OFFLINE, OperationalError):
        ask("http://127.0.0.1:1/", REQUEST, timeout_s=5)


@pytest.mark.parametrize(
    "address",
    ["http://tsa.example/", "ftp://127.0.0.1/", "tsa.example", "", "https://", "http://[::1", "file:///etc/hosts"],
)
def test_an_address_that_would_be_asked_in_the_open_is_refused(address: str) -> None:
    with refused(Code.CONFIG, UsageError):
        ask(address, REQUEST, timeout_s=5)
