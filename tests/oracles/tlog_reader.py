"""What another implementation of C2SP logs says of a log that is served: a program of its own interpreter.

It is given one line of JSON and answers with one; nothing of this project is imported here.
"""

# mypy: ignore-errors
# ^ What it imports is installed for another Python alone.

import json
import sys

import aics_tlog as tlog


def main() -> None:
    """Read tiles and checkpoint over HTTP, verify them, and say what was found."""
    asked = json.loads(sys.stdin.readline())
    reader = tlog.HttpTileReader(asked["log"])
    note = tlog.parse_note(reader.read_checkpoint().decode())
    head = tlog.parse_checkpoint(note.text)
    witnesses = tuple(map(tlog.parse_vkey, asked["witnesses"]))
    verified = tlog.verify_checkpoint(
        note,
        tlog.parse_vkey(asked["vkey"]),
        expected_origin=asked["origin"],
        policy=tlog.WitnessPolicy(quorum=asked["quorum"], witnesses=witnesses),
    )
    audited = tlog.audit_tiles(
        tlog.VerifiedTileReader(reader, head.size, head.root), head.size, head.root, entries=False
    )
    included = [
        tlog.verify_inclusion(
            tlog.leaf_hash(bytes.fromhex(entry)),
            index,
            head.size,
            tlog.inclusion_proof_from_tiles(reader, index, head.size),
            head.root,
        )
        for index, entry in asked["entries"]
    ]
    old, old_root = asked["old"]
    proof = tlog.consistency_proof_from_tiles(reader, old, head.size)
    consistent = tlog.verify_consistency(old, head.size, bytes.fromhex(old_root), head.root, proof)
    answer = {
        "ok": verified.ok,
        "error": verified.error,
        "size": head.size,
        "root": head.root.hex(),
        "tiles": audited.tiles,
        "included": included,
        "consistent": consistent,
    }
    sys.stdout.write(json.dumps(answer) + "\n")


main()
