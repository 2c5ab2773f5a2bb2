"""The keystore: one encrypted file in the profile that holds every secret key of a device.

Reading order: `unlock` (what opens it), `strength` (the floor of a new passphrase), `sealed` (the
file's format), `durable` (how it reaches the disk), `keystore` (the object that callers use). What an
unlocked process forbids stands in `amanah_client.process`.

What it does not give: once open, keys are in this process's memory. Python cannot promise to erase
them, and memory can be swapped out or read by the same user.
"""

from __future__ import annotations

from amanah_client.keystore.keystore import Keystore, create_keystore, open_keystore, read_kdf
from amanah_client.keystore.strength import check_strength, made_passphrase
from amanah_client.keystore.unlock import (
    CEREMONY_COST,
    FLOOR_COST,
    OFFICER_COST,
    Argon2Cost,
    Credential,
    Kdf,
    KeyFile,
    Passphrase,
    Unlock,
    create_key_file,
)

__all__ = [
    "CEREMONY_COST",
    "FLOOR_COST",
    "OFFICER_COST",
    "Argon2Cost",
    "Credential",
    "Kdf",
    "KeyFile",
    "Keystore",
    "Passphrase",
    "Unlock",
    "check_strength",
    "create_key_file",
    "create_keystore",
    "made_passphrase",
    "open_keystore",
    "read_kdf",
]
