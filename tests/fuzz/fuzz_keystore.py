"""Fuzz `decode_file` of the keystore: a file from a stolen or damaged disk."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from amanah_client.keystore import create_key_file, create_keystore
from amanah_client.keystore.sealed import decode_file


def _example() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "keystore"
        create_keystore(path, create_key_file(Path(folder) / "key"), {"device": bytes(32)}).close()
        return path.read_bytes()


SEEDS: Final = (_example(),)


def run(data: bytes) -> None:
    """What is accepted has one form."""
    assert decode_file(data).encode() == data
