"""Section 12, step by step: an honest bundle holds, and each part of it that is wrong is found."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from amanah_protocol import cbor
from amanah_protocol.content.text import Text
from amanah_protocol.heads import ControlHead, sign_control_head
from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint
from tests.client.audit.test_identities import roster, withdrawal
from tests.client.audit.world import AUDITOR_TN, MA, NOW_MS, OFFICER_MA, OFFICER_TN, TN, certified, incident
from tests.vectors import examples as x
from tests.verify.bundles import (
    ROSTER,
    TOLD,
    VERIFIER,
    VIEWS,
    archive,
    checkpoint_at,
    honest,
    members_of,
    sequence,
    sign_manifest,
    verdict,
)

GOOD = honest().encode()
DISCLOSURE = honest().disclosures[0]


def found(data: bytes) -> list[str]:
    """What is wrong with a bundle, under the community's roster."""
    return [reason for _, reason in verdict(data, (ROSTER,)).reasons]


def refused(data: bytes, reason: str) -> None:
    """It is found, with this reason first."""
    reasons = found(data)
    assert reasons, "nothing was found"
    assert reason in reasons[0], reasons


def test_an_honest_bundle_holds() -> None:
    told = verdict(GOOD, (ROSTER,))
    assert (told.holds, told.reasons) == (True, ())
    assert told.unchecked == {"RFC 3161 time stamps"}


def test_an_honest_bundle_without_the_parts_that_may_be_empty_holds() -> None:
    bare = honest(checkpoints=(), control_head=b"", disclosures=(), timestamps=())
    told = verdict(bare.encode(), (ROSTER,))
    assert (told.reasons, told.unchecked) == ((), frozenset())


# ---- the archive


def changed(**content: bytes) -> Callable[[dict[str, bytes]], None]:
    """Puts another content into members; `_` stands for a hyphen or a dot."""

    def change(members: dict[str, bytes]) -> None:
        for name in list(members):
            if (key := name.replace(".", "_").replace("-", "_")) in content:
                members[name] = content[key]

    return change


def zipped(make: Callable[[zipfile.ZipFile, str, bytes], None], comment: bytes = b"") -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as made:
        made.comment = comment
        for name, content in members_of(GOOD).items():
            make(made, name, content)
    return data.getvalue()


def plainly(made: zipfile.ZipFile, name: str, content: bytes) -> None:
    made.writestr(zipfile.ZipInfo(name), content)


def compressed(made: zipfile.ZipFile, name: str, content: bytes) -> None:
    made.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED if name == "policy" else zipfile.ZIP_STORED)


def later(made: zipfile.ZipFile, name: str, content: bytes) -> None:
    made.writestr(zipfile.ZipInfo(name, (1990, 1, 1, 0, 0, 0) if name == "policy" else (1980, 1, 1, 0, 0, 0)), content)


def with_extra(made: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name)
    info.extra = b"\x99\x99\x04\x00abcd" if name == "policy" else b""
    made.writestr(info, content)


def noted(made: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name)
    info.comment = b"a note" if name == "policy" else b""
    made.writestr(info, content)


def reordered(members: dict[str, bytes]) -> None:
    members["manifest.json"] = members.pop("manifest.json")


def stranger(members: dict[str, bytes]) -> None:
    members["run-me.exe"] = b"MZ"


def test_the_control_archive_holds() -> None:
    assert zipped(plainly) == GOOD


@pytest.mark.parametrize("make", [compressed, later, with_extra, noted])
def test_an_archive_of_another_form_is_found(make: Callable[[zipfile.ZipFile, str, bytes], None]) -> None:
    assert found(zipped(make))


def test_an_archive_with_a_comment_is_found() -> None:
    assert found(zipped(plainly, b"signed by everybody"))


@pytest.mark.parametrize("change", [reordered, stranger])
def test_other_members_or_another_order_are_found(change: Callable[[dict[str, bytes]], None]) -> None:
    assert found(honest(members=change).encode())


@pytest.mark.parametrize("name", list(members_of(GOOD)))
def test_a_member_that_is_missing_is_found(name: str) -> None:
    members = members_of(GOOD)
    del members[name]
    assert found(archive(members))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_found() -> None:
    def twice(made: zipfile.ZipFile, name: str, content: bytes) -> None:
        plainly(made, name, content)
        if name == "policy":
            plainly(made, name, b"another policy")

    assert found(zipped(twice))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), GOOD[:-1], GOOD + b"!", b"!" + GOOD])
def test_bytes_outside_of_members_and_half_an_archive_are_found(data: bytes) -> None:
    assert found(data)


def test_an_archive_that_is_too_large_is_refused_before_it_is_read() -> None:
    class Unread(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise AssertionError(size)

    bundle = VERIFIER.Bundle(Unread(), 2**32)
    bundle.verify(None, [])
    assert bundle.first[0][1] == "a bundle of 4 GiB or more is not read here"


# ---- the manifest


@pytest.mark.parametrize("name", [*VIEWS, "amanah-verify.py", "policy", "timestamps"])
def test_a_member_that_is_not_the_hashed_one_is_found(name: str) -> None:
    def change(members: dict[str, bytes]) -> None:
        members[name] += b"\n"

    assert found(honest(members=change).encode())


@pytest.mark.parametrize("spelled", [json.dumps, lambda value: json.dumps(value, indent=2, sort_keys=True)])
def test_a_manifest_of_another_spelling_is_found(spelled: Callable[[object], str]) -> None:
    members = members_of(GOOD)
    data = spelled(json.loads(members["manifest.json"])).encode()
    members |= {"manifest.json": data, "manifest.sig": sign_manifest(data)}
    refused(archive(members), "the manifest has another form")


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 100_000, b"\xff", b'{"a": 1, "a": 2}\n', b"1" * 5_000])
def test_a_manifest_that_is_none_is_found(data: bytes) -> None:
    assert found(honest(members=changed(manifest_json=data)).encode())


CLAIMS: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("format", lambda m: m.update(format="amanah evidence 2")),
    ("log origin", lambda m: m["log"].update(origin="another.example/log")),
    ("log size", lambda m: m["log"].update(size=TOLD.log.size - 1)),
    ("log root", lambda m: m["log"].update(root="00" * 32)),
    ("until", lambda m: m["complete"].update(until=TOLD.log.size + 1)),
    ("from", lambda m: m["complete"].update({"from": 1})),
    ("control", lambda m: m["complete"].update(control=13)),
    ("a room to its end", lambda m: m["complete"]["rooms"][0].update(last=99)),
    ("a room from nowhere", lambda m: m["complete"]["rooms"][0].update(first=0)),
    ("rooms in another order", lambda m: m["complete"]["rooms"].reverse()),
    ("a time that is a number", lambda m: m.update(exported=NOW_MS)),
    ("a time that is none", lambda m: m.update(exported="2026-13-01T00:00:00.000Z")),
    ("a time in another spelling", lambda m: m.update(exported="2026-11-28T11:33:38.373+00:00")),
    ("a room that is hidden", lambda m: m["complete"]["rooms"].append({"room": "ab" * 16, "first": 1, "last": 1})),
    ("disclosed", lambda m: m.update(disclosed=[])),
    ("exported too early", lambda m: m.update(exported=NOW_MS - 86_400_000)),
    ("exported too late", lambda m: m.update(exported=NOW_MS + 91 * 86_400_000)),
    ("another exporter", lambda m: m["exporter"].update(device=OFFICER_MA.id.hex())),
    ("an unknown exporter", lambda m: m["exporter"].update(device="ab" * 32)),
    ("another organisation", lambda m: m["exporter"].update(organisation=str(MA))),
    ("another certificate", lambda m: m["exporter"].update(certificate=5)),
    ("a file more", lambda m: m["files"].update({"run-me.exe": "ab" * 32})),
    ("a file less", lambda m: m["files"].pop("leaves")),
    ("a number that is none", lambda m: m["log"].update(size=True)),
    ("something more", lambda m: m.update(approved=True)),
]


@pytest.mark.parametrize(("name", "change"), CLAIMS, ids=[name for name, _ in CLAIMS])
def test_a_claim_that_the_record_does_not_bear_out_is_found(
    name: str, change: Callable[[dict[str, Any]], object]
) -> None:
    assert found(honest(manifest=lambda manifest: [change(manifest), None][1]).encode()), name


# ---- the exporter


def resigned(signature: Callable[[bytes], bytes]) -> bytes:
    members = members_of(GOOD)
    members["manifest.sig"] = signature(members["manifest.json"])
    return archive(members)


def test_a_manifest_that_its_exporter_signed_holds() -> None:
    assert resigned(sign_manifest) == GOOD


@pytest.mark.parametrize(
    "signature",
    [
        lambda data: sign_manifest(data, x.key("mine")),
        lambda data: sign_manifest(data, OFFICER_MA.key),
        lambda data: sign_manifest(data + b" "),
        lambda data: sign_manifest(data, typ="application/amanah-receipt+cose"),
        lambda data: sign_manifest(data)[:-1] + bytes([sign_manifest(data)[-1] ^ 1]),
        lambda _: b"",
    ],
    ids=["another key", "another device", "another manifest", "another type", "one bit", "nothing"],
)
def test_a_manifest_that_its_exporter_did_not_sign_is_found(signature: Callable[[bytes], bytes]) -> None:
    assert found(resigned(signature))


def test_an_exporter_that_was_revoked_is_found() -> None:
    told = incident()
    told.log.revoke(AUDITOR_TN)
    refused(honest(told).encode(), "the exporter, when it says that it exported: the certificate is over")


def test_an_exporter_whose_certificate_was_renewed_may_name_either() -> None:
    told = incident()
    told.log.certify(certified("auditor tn", role=AUDITOR_TN.certificate.role, now_ms=NOW_MS + 30_000))
    assert found(honest(told).encode()) == []
    newer = honest(told, manifest=lambda m: m["exporter"].update(certificate=told.log.last))
    assert found(newer.encode()) == []


def test_an_exporter_under_a_withdrawn_key_is_found() -> None:
    told = incident()
    told.log.endorsed(told.log.leaves[32].type.REVOCATION, withdrawal(TN))
    assert found(honest(told).encode())


# ---- smaller checkpoints


def test_a_checkpoint_of_the_empty_log_may_be_one() -> None:
    assert found(honest(checkpoints=(checkpoint_at(TOLD.rows(), 0), checkpoint_at(TOLD.rows(), 1))).encode()) == []


def other(size: int) -> bytes:
    return sign_checkpoint(Checkpoint(origin=x.ORIGIN, size=size, root=x.fixed("another root")), x.LOG_SIGNER)


@pytest.mark.parametrize(
    "checkpoints",
    [
        lambda _: (other(9),),
        lambda rows: (checkpoint_at(rows, 20), checkpoint_at(rows, 9)),
        lambda rows: (checkpoint_at(rows, 9), checkpoint_at(rows, 9)),
        lambda rows: (checkpoint_at(rows, len(rows)),),
        lambda rows: (checkpoint_at([*rows, rows[-1]], len(rows) + 1),),
        lambda rows: (checkpoint_at(rows, 9).replace(x.ORIGIN.encode(), b"another.example/log", 1),),
        lambda rows: (checkpoint_at(rows, 9)[:-9] + b"AAAAAAAA\n",),
        lambda _: (b"no note",),
    ],
    ids=["another root", "not ascending", "twice", "of the whole", "larger", "another log", "forged", "none"],
)
def test_a_smaller_checkpoint_that_is_no_prefix_of_the_rows_is_found(checkpoints: Callable[[Any], Any]) -> None:
    assert found(honest(checkpoints=checkpoints(TOLD.rows())).encode())


# ---- the head of the control stream, of another size than the log


def head(size: int, sequence: int, **changes: Any) -> bytes:  # noqa: ANN401 - fields of a head
    rows = TOLD.rows()
    control = [leaf for leaf in TOLD.log.leaves if leaf.room == bytes(16)]
    root = VERIFIER.Checkpoint(checkpoint_at(rows, size)).root if size <= len(rows) else x.fixed("a later root")
    fields: dict[str, Any] = {"sequence": sequence, "leaf": control[sequence - 1].hash, "size": size, "root": root}
    return sign_control_head(ControlHead(**{**fields, "time_ms": NOW_MS, **changes}), x.RELAY_KEY)


def test_an_older_head_and_a_later_one_hold_if_they_say_what_is_here() -> None:
    assert found(honest(control_head=head(20, 11)).encode()) == []
    assert found(honest(control_head=head(99, 12)).encode()) == []


WRONG_HEADS = (
    head(20, 11, root=x.fixed("another root")),
    head(20, 10),
    head(20, 12),
    head(99, 11),
    head(20, 11, leaf=bytes(32)),
    head(99, 12, leaf=bytes(32)),
)


@pytest.mark.parametrize(
    "data",
    WRONG_HEADS,
    ids=[
        "another root", "one entry hidden", "one that was not there yet", "a later log with fewer", "another entry",
        "another entry of a later log",
    ],
)  # fmt: skip
def test_a_head_that_contradicts_the_rows_is_found(data: bytes) -> None:
    assert found(honest(control_head=data).encode())


# ---- disclosures


def disclosed(**changes: object) -> bytes:
    parts = cbor.decode(DISCLOSURE, max_bytes=1 << 20)
    assert isinstance(parts, list)
    fields = {**dict(zip(("envelope", "k", "content"), parts, strict=True)), **changes}
    return honest(disclosures=(cbor.encode(list(fields.values())),)).encode()


def test_the_control_disclosure_holds() -> None:
    assert found(disclosed()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"envelope": TOLD.log.rooms[TOLD.room].sent[0]},
        {"envelope": TOLD.log.rooms[TOLD.hidden].sent[-1]},
        {"envelope": x.fixed("nowhere")},
        {"k": x.fixed("another key")},
        {"k": bytes(16)},
        {"content": cbor.encode([1, 2, 3])},
        {"content": b"none"},
    ],
    ids=["another envelope", "a hidden one", "none", "another key", "half a key", "another content", "no content"],
)
def test_a_disclosure_of_something_else_is_found(changes: dict[str, object]) -> None:
    assert found(disclosed(**changes))


def test_one_disclosure_twice_is_found() -> None:
    assert found(honest(disclosures=(DISCLOSURE, DISCLOSURE)).encode())


def test_no_neighbour_is_opened_by_a_disclosed_key() -> None:
    told = incident()
    index, _, content = told.log.disclosable(OFFICER_TN, told.room, Text(text="for members"))
    envelope = VERIFIER.envelope(told.log.leaves[index].object).id
    other_key = cbor.encode([envelope, x.fixed("another key"), content])
    right = cbor.encode([envelope, x.fixed("disclosure key"), content])
    assert found(honest(told, disclosures=(right,)).encode()) == []
    assert found(honest(told, disclosures=(other_key,)).encode())


# ---- rosters and what they anchor


def test_a_roster_that_its_organisations_did_not_sign_is_found() -> None:
    unsigned = x.endorsed(x.roster_document(1), *x.custodians(MA)).encode()
    assert found(honest(rosters=(unsigned,)).encode())


def test_rosters_that_do_not_ascend_are_found() -> None:
    first, second = (x.roster_of(version).endorsed.encode() for version in (1, 2))
    assert found(honest(rosters=(first, second)).encode()) == []
    assert found(honest(rosters=(second, first)).encode())


def test_a_bundle_cannot_anchor_itself() -> None:
    custodian = x.key("mine")
    mine = replace(x.nation(TN).member, threshold=1, roots=(custodian.public,))
    made_up = x.endorsed(x.roster_document(1, threshold=1, organisations=(mine,)), custodian).encode()
    # What it brings along is no anchor where there is a better one; and who trusts it is told that the log does not.
    assert verdict(honest(rosters=(made_up,)).encode(), (ROSTER,)).holds
    assert verdict(honest(rosters=(made_up,)).encode()).first == 1
    assert verdict(GOOD, (made_up,)).first == 1


def test_an_organisation_that_left_is_anchored_by_the_roster_of_its_time() -> None:
    told = incident()
    second = roster(2, organisations=(x.nation(MA).member, x.nation(TN).member))
    told.log.endorsed(told.log.leaves[0].type, second)
    data = honest(told, rosters=(ROSTER, second.encode())).encode()
    assert verdict(data, (ROSTER,)).holds
    assert verdict(data, (ROSTER, second.encode())).holds
    assert verdict(data, (second.encode(),)).first == 2
    assert verdict(data).holds


def test_a_policy_finds_its_roster_in_the_bundle_and_trusts_no_other() -> None:
    members = members_of(GOOD)
    assert verdict(GOOD, (), members["policy"]).holds
    foreign = members["policy"].replace(x.roster_of().endorsed.hash.hex().encode(), b"ab" * 32)
    assert not verdict(GOOD, (), foreign).holds


# ---- sequences


@pytest.mark.parametrize("name", ["rosters", "leaves", "checkpoints", "timestamps", "disclosures"])
@pytest.mark.parametrize(
    "tail", [b"\x00", b"\x58", b"\x58\x01!", b"\x5b" + bytes(8), b"\x5f", b"\x5a\xff\xff\xff\xff", b"\x41"]
)
def test_a_sequence_with_something_behind_it_is_found(name: str, tail: bytes) -> None:
    assert found(honest(tails={name: tail}).encode())


def test_a_row_with_a_part_too_large_is_refused() -> None:
    row = TOLD.rows()[0]
    large = sequence([cbor.encode([0, row.hash, bytes(65_536), None])])
    refused(honest(members=changed(leaves=large)).encode(), "altered since the manifest was made: leaves")
    assert any("65535" in reason for reason in found(honest(members=changed(leaves=large)).encode()))
