"""The keys of a witness: in a keystore of its own, opened by a 0600 key file, because it serves unattended."""

from __future__ import annotations

import secrets
from typing import Final

from amanah_client.home import Home
from amanah_client.keystore import KeyFile, create_key_file, create_keystore, open_keystore
from amanah_client.mldsa import MlDsaKey
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.log.note_keys import NoteSigner, SignatureType, decode_skey, encode_skey

_SECRETS: Final = {SignatureType.COSIGNATURE: "witness-ed25519", SignatureType.ML_DSA_44: "witness-ml-dsa-44"}
"""Name in the keystore of each key; whoever asks gets a cosignature of each."""
_SEED_BYTES: Final = 32
_INIT: Final = "`amanah witness init --name NAME` makes a witness; --home names its folder."


def create_witness_keys(home: Home, name: str, *, classical: bool = False) -> tuple[NoteSigner, ...]:
    """Make a witness's keys, durable on return: one of Ed25519, and one of ML-DSA-44.

    Args:
        home: An empty folder, or none yet.
        name: The name that the keys go by, for example `cert.example.tn/witness`.
        classical: Make the key of Ed25519 alone.

    Raises:
        UsageError: `MALFORMED` for a name with spaces, plus or control characters; `USAGE` when there are keys
            already, which are never overwritten.
        OperationalError: `STORE` or `DISK_FULL`.
    """
    kinds = [SignatureType.COSIGNATURE] if classical else list(_SECRETS)
    skeys = {kind: encode_skey(name, secrets.token_bytes(_SEED_BYTES), kind) for kind in kinds}
    if home.exists() or home.key_file.exists():
        hint = "Name another folder by --home; keys are never overwritten."
        raise UsageError(Code.USAGE, f"there are keys at {home.path} already", hint=hint)
    home.make_folder()
    unlock = create_key_file(home.key_file)
    stored = {_SECRETS[kind]: skey.encode() for kind, skey in skeys.items()}
    create_keystore(home.keystore, unlock, stored).close()
    return tuple(decode_skey(skey, mldsa=MlDsaKey) for skey in skeys.values())


def open_witness_keys(home: Home) -> tuple[NoteSigner, ...]:
    """Open a witness's keys; at least one.

    Raises:
        UsageError: `NO_PROFILE` when there are none here, and what `open_keystore` raises.
        DecodeError: They are damaged.
        OperationalError: `STORE`.
    """
    check_made(home)
    keystore = open_keystore(home.keystore, KeyFile(path=home.key_file))
    try:
        skeys = [keystore.secrets[name] for name in _SECRETS.values() if name in keystore.secrets]
    finally:
        keystore.close()
    if not skeys:
        raise UsageError(Code.NO_PROFILE, f"{home.path} holds another profile, no witness", hint=_INIT)
    return tuple(decode_skey(skey.decode(), mldsa=MlDsaKey) for skey in skeys)


def check_made(home: Home) -> None:
    """A folder holds keys.

    Raises:
        UsageError: `NO_PROFILE`.
        OperationalError: `STORE`.
    """
    if not home.exists():
        raise UsageError(Code.NO_PROFILE, f"there is no witness at {home.path}", hint=_INIT)
