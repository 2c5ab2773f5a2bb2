"""Makes the bundles of `docs/evidence`: one that holds, and one in which its exporter moved a time.

Run as `python -m tests.docs.evidence`. The keys are those of the tests, so anybody makes them again.
"""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from amanah_client.audit.bundle import MANIFEST, SIGNATURE, Bundle, encode_row
from amanah_client.cli.main import main
from amanah_client.moments import iso
from amanah_protocol.crypto import sha256
from amanah_protocol.log.export import sign_manifest
from amanah_protocol.log.leaf import decode_leaf
from amanah_protocol.log.policy import encode_policy, policy_of_roster
from tests.client.audit.auditor import TOLD, copy, enrol, home_at
from tests.client.audit.bundles import archived
from tests.client.audit.world import AUDITOR_TN
from tests.vectors import examples as x

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs" / "evidence"
RECORD: Final = FOLDER / "record.amanah"
FORGED: Final = FOLDER / "forged.amanah"
POLICY: Final = FOLDER / "community.policy"
INDEX: Final = TOLD.disclosed
"""The entry whose time is moved."""

EARLIER_MS: Final = 14 * 60_000
"""By how much."""


def forge(genuine: bytes) -> bytes:
    """What an exporter makes who wants the message to have been there fourteen minutes earlier.

    The rows' hashes stay, or the tree would lead nowhere; the files for analysis tell the same lie, and the manifest
    is made anew and signed.
    """
    with zipfile.ZipFile(io.BytesIO(genuine)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    rows = list(Bundle(io.BytesIO(genuine)).rows())
    entry = rows[INDEX].entry
    assert entry is not None
    leaf = decode_leaf(entry)
    lie = replace(leaf, accepted_at_ms=leaf.accepted_at_ms - EARLIER_MS)
    rows[INDEX] = replace(rows[INDEX], entry=lie.encode())
    members["leaves"] = b"".join(map(encode_row, rows))
    for name, start in (("entries.csv", f"{INDEX},"), ("entries.jsonl", f'{{"log_index": {INDEX},')):
        lines = members[name].decode().splitlines(keepends=True)
        (at,) = (at for at, line in enumerate(lines) if line.startswith(start))
        lines[at] = lines[at].replace(str(iso(leaf.accepted_at_ms)), str(iso(lie.accepted_at_ms)))
        members[name] = "".join(lines).encode()
    manifest = msgspec.json.decode(members.pop(MANIFEST))
    members.pop(SIGNATURE)
    manifest["files"] = {name: sha256(data).hex() for name, data in members.items()}
    encoded = msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=2) + b"\n"
    return archived(members, encoded, sign_manifest(encoded, AUDITOR_TN.key))


def make() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home, out = Path(folder, "home"), Path(folder, "record.amanah")
        profile = home_at(home)
        enrol(profile)
        copy(profile, TOLD)
        profile.close()
        assert main(["audit", "export", str(out), "--home", str(home)]) == 0
        shutil.copyfile(out, RECORD)
    FORGED.write_bytes(forge(RECORD.read_bytes()))
    POLICY.write_bytes(encode_policy(policy_of_roster(x.roster_of())))


if __name__ == "__main__":
    make()
