"""Evidence bundles put together by hand, right or wrong: what is made here is checked by nothing here."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from amanah_client.audit.archive import Member, checksum, write_archive
from amanah_client.audit.bundle import LIMITS, MANIFEST, SIGNATURE, Bundle, encode_item, encode_row
from amanah_client.audit.bundle_check import Checked, check_bundle
from amanah_client.audit.examination import Anchor
from amanah_client.audit.manifest import Manifest, RoomRange
from amanah_client.audit.stamps import NO_AUTHORITY, Trust
from amanah_client.log_rows import AuditRow
from amanah_protocol import cbor
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.log.export import sign_manifest
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.log.policy import encode_policy, policy_of_roster
from amanah_protocol.types import CONTROL, DeviceId, RoomId
from tests.client.audit.world import AUDITOR_TN, Device, Incident, anchor
from tests.vectors import examples as x

VIEWS: Final = dict.fromkeys(("entries.csv", "entries.jsonl", "report.html", "report.pdf"), b"a view\n")
EXPORTED_MS: Final = x.NOW_MS + 3_600_000


def shown(found: Incident) -> list[tuple[int, Leaf]]:
    """Index and leaf of what the auditor of TN sees."""
    return [(row.index, found.log.leaves[row.index]) for row in found.rows() if row.entry is not None]


def ranges(found: Incident) -> tuple[RoomRange, ...]:
    rooms: dict[RoomId, list[int]] = {}
    for _, leaf in shown(found):
        if leaf.type is LeafType.ENVELOPE:
            rooms.setdefault(leaf.room, []).append(leaf.room_seq)
    return tuple(RoomRange(room=room, first=min(rooms[room]), last=max(rooms[room])) for room in sorted(rooms))


def manifest_of(
    found: Incident, members: dict[str, bytes], exporter: Device = AUDITOR_TN, **changes: object
) -> Manifest:
    """What an honest exporter says of the incident, or `changes` of it."""
    made = Manifest(
        origin=x.ORIGIN,
        size=found.log.size,
        root=found.log.root,
        rooms=ranges(found),
        control=sum(leaf.room == CONTROL for _, leaf in shown(found)),
        disclosed=(),
        exported_ms=EXPORTED_MS,
        device=DeviceId(exporter.id),
        organisation=exporter.certificate.organisation,
        certificate=next(
            (at for at, leaf in enumerate(found.log.leaves) if leaf.object == exporter.certificate.encoded), 0
        ),
        files={name: sha256(data).hex() for name, data in sorted(members.items())},
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # a test names fields with their types


def members_of(found: Incident, rows: Iterable[AuditRow] | None = None, **changes: bytes) -> dict[str, bytes]:
    """The members of the auditor's export but manifest and signature; `control_head=` stands for `control-head`."""
    members = {
        "policy": encode_policy(policy_of_roster(x.roster_of())),
        "rosters": cbor.encode(x.roster_of().endorsed.encode()),
        "leaves": b"".join(encode_row(row) for row in (found.rows() if rows is None else rows)),
        "checkpoint": found.log.checkpoint(),
        "checkpoints": b"",
        "control-head": found.log.control_head(),
        "timestamps": b"",
        "disclosures": b"",
        **VIEWS,
        "amanah-verify.py": b"# stands for the verifier\n",
    }
    return members | {name.replace("_", "-"): data for name, data in changes.items()}


def disclosed(*messages: tuple[bytes, bytes, bytes]) -> bytes:
    """The member `disclosures`."""
    return b"".join(encode_item(list(message)) for message in messages)


def archived(members: dict[str, bytes], manifest: bytes, signature: bytes) -> bytes:
    """The file."""
    whole = {MANIFEST: manifest, SIGNATURE: signature, **members}
    order = [name for name in LIMITS if name in whole] + [name for name in whole if name not in LIMITS]
    headers = [Member(name, checksum([whole[name]]), len(whole[name])) for name in order]
    return b"".join(write_archive(headers, [[whole[name]] for name in order]))


def bundle(
    found: Incident,
    rows: Iterable[AuditRow] | None = None,
    *,
    manifest: dict[str, Any] | None = None,
    exporter: Device = AUDITOR_TN,
    key: SigningKey | None = None,
    changed: Mapping[str, bytes] | None = None,
    **changes: bytes,
) -> bytes:
    """The export of the auditor of TN, under a manifest that fits its files."""
    members = members_of(found, rows, **changes, **(changed or {}))
    made = manifest_of(found, members, exporter, **(manifest or {})).encode()
    return archived(members, made, sign_manifest(made, key or exporter.key))


def checked(data: bytes, held_against: Anchor | None = None, trust: Trust = NO_AUTHORITY) -> Checked:
    """A bundle, checked."""
    return check_bundle(Bundle(io.BytesIO(data)), held_against or anchor(), trust=trust)
