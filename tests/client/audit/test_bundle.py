"""The evidence bundle: read strictly, and everything that does not hold in it is found."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from amanah_client.audit.archive import MAX_ARCHIVE_BYTES
from amanah_client.audit.bundle import LIMITS, Bundle, encode_item, encode_row
from amanah_client.audit.bundle_check import own_anchor
from amanah_client.audit.report import Bounds, Severity
from amanah_client.audit.stamps import Stamps
from amanah_client.log_rows import AuditRow
from amanah_protocol import cbor, kinds
from amanah_protocol.content.text import Text
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import Code, DecodeError, VerifyError
from amanah_protocol.labels import Label
from amanah_protocol.log.export import sign_manifest
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import DeviceId, KeyId
from tests.client.audit.bundles import (
    EXPORTED_MS,
    archived,
    bundle,
    checked,
    disclosed,
    manifest_of,
    members_of,
    ranges,
)
from tests.client.audit.test_identities import enrolment, withdrawal
from tests.client.audit.test_times import WITNESSED, at, ms, published
from tests.client.audit.world import (
    AUDITOR_MA,
    AUDITOR_TN,
    MA,
    OFFICER_SN,
    OFFICER_TN,
    TN,
    certified,
    faults,
    incident,
    remarks,
)
from tests.protocol.refusal import refused
from tests.vectors import examples as x

TOLD = incident()
ID = decode_envelope(TOLD.log.leaves[TOLD.disclosed].object).id
DISCLOSED = (ID, TOLD.k, TOLD.content)


def opened(data: bytes) -> Bundle:
    return Bundle(io.BytesIO(data))


# ---- reading


def test_what_is_written_is_read_back() -> None:
    found = opened(bundle(TOLD, checkpoints=cbor.encode(published(TOLD.log, 7, [])), disclosures=disclosed(DISCLOSED)))
    assert list(found.rows()) == TOLD.rows()
    assert list(found.checkpoints()) == [published(TOLD.log, 7, [])]
    assert list(found.disclosures()) == [DISCLOSED]
    assert list(found.timestamps()) == []
    assert list(found.broken()) == []
    assert (found.checkpoint, found.control_head) == (TOLD.log.checkpoint(), TOLD.log.control_head())
    assert found.rosters == (x.roster_of().endorsed.encode(),)


def test_a_row_is_found_again_by_its_index() -> None:
    told = incident(more=1_200)
    found = opened(bundle(told))
    rows = list(found.rows())
    for index in (0, 1, 499, 500, 501, 999, 1_000, told.log.last):
        assert found.row(index) == rows[index]
    assert found.row(told.log.size) is None
    assert found.row(10**9) is None


def test_rows_are_read_one_by_one() -> None:
    class Counting(io.BytesIO):
        read_ = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.read_ += len(data)
            return data

    file = Counting(bundle(incident(more=500)))
    rows = Bundle(file).rows()
    before = file.read_
    next(rows)
    assert file.read_ - before < 2_000


@pytest.mark.parametrize(
    ("member", "data"),
    [
        ("leaves", cbor.encode([0, bytes(32), None, None])),
        ("leaves", encode_item([0, bytes(32), None])),
        ("leaves", encode_item([0, bytes(31), None, None])),
        ("leaves", encode_item([-1, bytes(32), None, None])),
        ("leaves", encode_item([0, bytes(32), b"e" * 65_536, None])),
        ("leaves", encode_item([0, bytes(32), "entry", None])),
        ("leaves", encode_item([0, bytes(32), None, False])),
        ("leaves", b"\x58\x05" + cbor.encode([0, 0, 0, 0])),
        ("leaves", b"\x59\x00\x05" + cbor.encode([0, 0, 0, 0])),
        ("leaves", b"\x5a\xff\xff\xff\xff"),
        ("leaves", b"\x5b" + bytes(8)),
        ("leaves", b"\x5f\xff"),
        ("leaves", encode_item([0, bytes(32), None, None])[:-1]),
        ("leaves", encode_item([0, bytes(32), None, None]) + b"\x45"),
        ("timestamps", encode_item([1, "a", b"t", 0])),
        ("timestamps", encode_item([1, "a" * 254, b"t"])),
        ("timestamps", encode_item(["1", "a", b"t"])),
        ("disclosures", encode_item([bytes(31), bytes(32), b""])),
        ("disclosures", encode_item([bytes(32), bytes(33), b""])),
        ("checkpoints", cbor.encode(b"none")),
    ],
)
def test_an_item_of_another_form_is_refused(member: str, data: bytes) -> None:
    found = opened(bundle(TOLD, changed={member: data}))
    read: Callable[[], Any] = found.rows if member == "leaves" else getattr(found, member)
    with pytest.raises(DecodeError):
        list(read())
    assert checked(bundle(TOLD, changed={member: data})).report.faults


@pytest.mark.parametrize(
    ("member", "data"),
    [
        ("rosters", b""),
        ("rosters", cbor.encode(b"none")),
        ("rosters", cbor.encode(x.roster_of().endorsed.encode()) * 2),
        ("rosters", cbor.encode(x.roster_of(2).endorsed.encode()) + cbor.encode(x.roster_of().endorsed.encode())),
        ("policy", b"trust me\n"),
        ("policy", b""),
        ("checkpoint", b"none"),
    ],
)
def test_a_small_member_of_another_form_is_refused(member: str, data: bytes) -> None:
    with pytest.raises(DecodeError):
        opened(bundle(TOLD, changed={member: data}))


def test_too_many_disclosures_are_refused() -> None:
    found = opened(bundle(TOLD, disclosures=encode_item([bytes(32), bytes(32), b""]) * 10_001))
    with refused(Code.TOO_LARGE, DecodeError):
        list(found.disclosures())


def test_every_limit_fits_the_archive_and_small_members_fit_the_memory() -> None:
    streamed = {name for name, limit in LIMITS.items() if limit == MAX_ARCHIVE_BYTES}
    views = {"entries.csv", "entries.jsonl", "report.html", "report.pdf"}
    assert streamed == {"leaves", "checkpoints", "timestamps", "disclosures"} | views
    assert all(limit <= 64 * 2**20 for name, limit in LIMITS.items() if name not in streamed)


def test_a_manifest_that_names_other_files_is_refused() -> None:
    members = members_of(TOLD)
    for files in ({"leaves": "00" * 32}, manifest_of(TOLD, members | {"more": b""}).files):
        encoded = manifest_of(TOLD, members, files=files).encode()
        with refused(Code.MALFORMED, DecodeError):
            opened(archived(members, encoded, sign_manifest(encoded, AUDITOR_TN.key)))


# ---- checking


def test_an_honest_bundle_holds() -> None:
    found = checked(bundle(TOLD))
    assert faults(found.report) == []
    assert remarks(found.report) == []
    assert found.report.faults == 0
    assert (found.stamps, found.opened) == (Stamps(), ())
    assert found.manifest.rooms == ranges(TOLD)


@pytest.mark.parametrize("name", sorted(members_of(TOLD)))
def test_a_file_that_is_not_the_manifests_is_named(name: str) -> None:
    members = members_of(TOLD)
    encoded = manifest_of(TOLD, members).encode()
    changed = members | {name: members[name] + b"\n"}
    if name in {"policy", "checkpoint", "rosters", "control-head", "leaves"}:
        # These are read too: what is changed parses all the same.
        changed = members | {
            "policy": members["policy"] + b"# more\n",
            "checkpoint": published(TOLD.log, TOLD.log.size, [1]),
            "rosters": members["rosters"] + cbor.encode(x.roster_of(2).endorsed.encode()),
            "control-head": TOLD.log.control_head(time_ms=1),
            "leaves": b"".join(encode_row(row) for row in TOLD.log.rows()),
        }
        changed = members | {name: changed[name]}
    found = checked(archived(changed, encoded, sign_manifest(encoded, AUDITOR_TN.key)))
    texts = [finding.text for finding in found.report.findings if finding.code is Code.CONTENT_HASH]
    assert texts == [f"{name} is not the file that the manifest was made for"]


def test_a_wrong_checksum_of_the_archive_is_found() -> None:
    members = members_of(TOLD)
    encoded = manifest_of(TOLD, members).encode()
    data = archived(members, encoded, sign_manifest(encoded, AUDITOR_TN.key))
    again = data.rindex(b"report.pdf") - 46 + 16
    crc = data.rindex(b"report.pdf", 0, again) - 30 + 14
    turned = bytearray(data)
    turned[crc] ^= 1
    turned[again] ^= 1
    assert faults(checked(bytes(turned)).report) == [(None, "MALFORMED")]


def test_a_file_that_was_damaged_on_its_way_is_said_to_be_that() -> None:
    """Who forges a member makes its checksum anew; a bit that fell does not."""
    members = members_of(TOLD)
    encoded = manifest_of(TOLD, members).encode()
    data = bytearray(archived(members, encoded, sign_manifest(encoded, AUDITOR_TN.key)))
    name = data.rindex(b"report.pdf", 0, data.rindex(b"report.pdf"))
    data[name + len(b"report.pdf")] ^= 1
    (finding,) = [one for one in checked(bytes(data)).report.findings if one.severity is Severity.FAULT]
    assert (finding.index, finding.code) == (None, Code.MALFORMED)
    assert "get the file again" in finding.text


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"origin": "another/log"}, "RECORD"),
        ({"size": TOLD.log.size - 1}, "RECORD"),
        ({"root": bytes(32)}, "RECORD"),
        ({"control": 11}, "RECORD"),
        ({"control": 13}, "RECORD"),
        ({"rooms": (replace(ranges(TOLD)[0], room=TOLD.hidden),)}, "RECORD"),
        ({"rooms": (*ranges(TOLD)[:1], replace(ranges(TOLD)[1], last=99))}, "RECORD"),
        ({"rooms": (*ranges(TOLD)[:1], replace(ranges(TOLD)[1], first=0))}, "RECORD"),
        ({"rooms": (*ranges(TOLD)[:1], replace(ranges(TOLD)[1], first=3, last=2))}, "RECORD"),
        ({"disclosed": (bytes(32),)}, "RECORD"),
        ({"certificate": 0}, "CERTIFICATE"),
        ({"certificate": 9_999}, "NOT_FOUND"),
        ({"certificate": 4}, "CERTIFICATE"),
        ({"organisation": "cert.example.ma"}, "CERTIFICATE"),
        ({"device": DeviceId(AUDITOR_MA.id)}, "KEY_ID"),
        ({"exported_ms": AUDITOR_TN.certificate.not_before_ms - 1}, "EXPIRED"),
        ({"exported_ms": AUDITOR_TN.certificate.not_after_ms + 1}, "EXPIRED"),
    ],
)
def test_a_claim_of_the_manifest_that_is_not_so_is_found(changes: dict[str, Any], code: str) -> None:
    assert faults(checked(bundle(TOLD, manifest=changes)).report) == [(None, code)]


def test_a_manifest_may_claim_less_than_is_here() -> None:
    for rooms in ((), ranges(TOLD)[:1], (replace(ranges(TOLD)[1], first=2, last=3),)):
        assert faults(checked(bundle(TOLD, manifest={"rooms": rooms})).report) == []


def test_a_manifest_that_another_key_signed_is_found() -> None:
    assert faults(checked(bundle(TOLD, key=AUDITOR_MA.key)).report) == [(None, "KEY_ID")]


def test_a_signature_of_another_manifest_is_found() -> None:
    members = members_of(TOLD)
    encoded = manifest_of(TOLD, members).encode()
    other = sign_manifest(manifest_of(TOLD, members, exported_ms=EXPORTED_MS + 1).encode(), AUDITOR_TN.key)
    assert faults(checked(archived(members, encoded, other)).report) == [(None, "CONTENT_HASH")]
    assert faults(checked(archived(members, encoded, b"none")).report) == [(None, "MALFORMED")]


def test_an_exporter_who_was_revoked_is_found() -> None:
    told = incident()
    assert faults(checked(bundle(told, exporter=OFFICER_TN)).report) == []
    assert faults(checked(bundle(told, exporter=OFFICER_SN)).report) == [(None, "REVOKED")]


def test_what_others_withdrew_of_an_exporter_that_was_not_theirs_is_no_fault() -> None:
    told, key = incident(), x.key("second enrolment key of tn")
    newcomer = certified("newcomer", issuer=key)
    told.log.endorsed(LeafType.REVOCATION, withdrawal(MA, key=KeyId(key.key_id)))
    told.log.endorsed(LeafType.ENROLMENT, enrolment(TN, key=key))
    told.log.revoke(certified("newcomer", MA, key=newcomer.key))
    told.log.certify(newcomer)
    assert faults(checked(bundle(told, exporter=newcomer)).report) == []
    told.log.endorsed(LeafType.REVOCATION, withdrawal(TN, key=KeyId(key.key_id)))
    assert faults(checked(bundle(told, exporter=newcomer)).report) == [(None, "REVOKED")]


def test_an_exporter_whose_certificate_does_not_hold_is_found() -> None:
    told = incident()
    stranger = certified("stranger", issuer=x.key("no enrolment key"))
    told.log.certify(stranger)
    found = checked(bundle(told, exporter=stranger))
    assert faults(found.report) == [(told.log.last, "CERTIFICATE"), (None, "CERTIFICATE")]


def test_published_checkpoints_bound_the_times_and_are_held_against_the_rows() -> None:
    notes = published(TOLD.log, 10, [at(10)]), published(TOLD.log, 20, [at(20)])
    data = bundle(TOLD, checkpoints=b"".join(map(cbor.encode, notes)))
    found = checked(data, WITNESSED)
    assert faults(found.report) == []
    assert found.report.record.bounds(15) == Bounds(ms(at(10)), ms(at(20)))
    lying = published(TOLD.log, 20, [at(20) - 600])
    assert (12, "CLOCK") in faults(checked(bundle(TOLD, checkpoints=cbor.encode(lying)), WITNESSED).report)
    forked = published(TOLD.log, 20, [], root=bytes(32))
    assert faults(checked(bundle(TOLD, checkpoints=cbor.encode(forked))).report) == [(None, "PROOF")]


@pytest.mark.parametrize("sizes", [(20, 10), (10, 10), (TOLD.log.size,), (TOLD.log.size + 1,)])
def test_checkpoints_out_of_order_are_found(sizes: tuple[int, ...]) -> None:
    notes = [published(TOLD.log, size, []) for size in sizes]
    assert (None, "CHECKPOINT") in faults(checked(bundle(TOLD, checkpoints=b"".join(map(cbor.encode, notes)))).report)


def test_time_stamps_stand_beside_checkpoints_of_the_bundle() -> None:
    stray = checked(bundle(TOLD, timestamps=encode_item([5, "tsa", b"token"])))
    assert faults(stray.report) == [(None, "PROOF")]
    damaged = checked(bundle(TOLD, timestamps=encode_item([5, b"tsa", b"token"])))
    assert faults(damaged.report) == [(None, "BAD_TYPE")]


def test_without_a_policy_a_bundle_is_held_against_itself() -> None:
    data = bundle(TOLD)
    found = checked(data, own_anchor(opened(data)))
    assert (found.report.anchor, found.report.faults) == ("", 0)


def test_an_own_roster_that_nobody_signed_anchors_nothing() -> None:
    from amanah_protocol.endorse import Endorsed  # noqa: PLC0415 - one use

    unsigned = Endorsed(document=x.roster_document(1), signatures=()).encode()
    with pytest.raises(VerifyError):
        own_anchor(opened(bundle(TOLD, rosters=cbor.encode(unsigned))))


# ---- disclosures


def disclosing(*messages: tuple[bytes, bytes, bytes]) -> bytes:
    ids = tuple(envelope for envelope, _, _ in messages)
    return bundle(TOLD, disclosures=disclosed(*messages), manifest={"disclosed": ids})


def test_a_disclosed_message_is_held_against_its_commitment() -> None:
    found = checked(disclosing(DISCLOSED))
    assert faults(found.report) == []
    (one,) = found.opened
    assert (one.index, one.content.body) == (TOLD.disclosed, Text(text="Seen at your side?"))
    assert (one.sender.organisation, one.sender.device) == (TN, OFFICER_TN.id)
    assert "Seen" not in repr(found)


@pytest.mark.parametrize(
    ("messages", "found"),
    [
        ([(ID, bytes(32), TOLD.content)], [(TOLD.disclosed, "COMMITMENT")]),
        ([(ID, TOLD.k, TOLD.content[:-1] + bytes([TOLD.content[-1] ^ 1]))], [(TOLD.disclosed, "COMMITMENT")]),
        ([(bytes(32), TOLD.k, TOLD.content)], [(None, "NOT_FOUND")]),
        ([DISCLOSED, DISCLOSED], [(TOLD.disclosed, "NOT_FOUND")]),
        ([(TOLD.log.rooms[TOLD.hidden].sent[-1], TOLD.k, TOLD.content)], [(None, "NOT_FOUND")]),
    ],
)
def test_a_disclosure_that_does_not_fit_is_found(
    messages: list[tuple[bytes, bytes, bytes]], found: list[tuple[int | None, str]]
) -> None:
    assert faults(checked(disclosing(*messages)).report) == found


def test_a_disclosure_that_the_manifest_does_not_name_is_found() -> None:
    found = checked(bundle(TOLD, disclosures=disclosed(DISCLOSED)))
    assert faults(found.report) == [(None, "RECORD")]


def test_disclosing_one_message_opens_no_neighbour() -> None:
    told = incident()
    told.log.disclosable(OFFICER_TN, told.room, Text(text="another secret"))
    data = bundle(told, disclosures=disclosed((ID, told.k, told.content)), manifest={"disclosed": (ID,)})
    assert b"Seen at your side?" in data
    assert b"another secret" not in data


def test_a_message_whose_sealed_label_differs_is_shown_with_it() -> None:
    told = incident()
    _, k, content = told.log.disclosable(OFFICER_TN, told.room, Text(text="strict"), inner_label=Label.RED)
    envelope = told.log.rooms[told.room].sent[-1]
    found = checked(bundle(told, disclosures=disclosed((envelope, k, content)), manifest={"disclosed": (envelope,)}))
    assert found.opened[0].content.differs_from(found.opened[0].envelope.header.label)


def test_what_lies_behind_a_bare_hash_is_not_asked_for() -> None:
    rows = [AuditRow(index=row.index, hash=row.hash, entry=None, document=None) for row in TOLD.log.rows()]
    found = checked(bundle(TOLD, rows))
    assert (None, "RECORD") in faults(found.report)
    assert found.report.scope.bare == TOLD.log.size
    assert kinds.Kind.MESSAGE not in {entry.kind for entry in found.report.record.entries()}
