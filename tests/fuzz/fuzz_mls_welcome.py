"""Fuzz a welcome: its outside as it comes, its inside as a hostile member would seal it."""

from __future__ import annotations

from typing import Final

from amanah_protocol.mls.codec import Reader, decode, opaque
from amanah_protocol.mls.framing import decode_message, encode_message
from amanah_protocol.mls.group import Group
from amanah_protocol.mls.group_context import EncryptedGroupSecrets, GroupSecrets, Welcome
from amanah_protocol.mls.joining import open_welcome
from amanah_protocol.mls.key_schedule import derive_welcome_keys
from amanah_protocol.mls.labelled import encrypt_with_label
from amanah_protocol.mls.rules import InvalidError, Rule
from tests.protocol.mls.forged_commit import welcome_to
from tests.protocol.mls.stage import MAX_BYTES, find_psk, make_stage

_STAGE: Final = make_stage()
_FORM: Final = welcome_to(_STAGE)
_ENTRY: Final = _FORM.entry(bytes(32))
_SECRETS: Final = GroupSecrets(joiner_secret=bytes(32), path_secret=None, psks=())
_OUTSIDE: Final = 0
_INSIDE: Final = 1
SEEDS: Final = (
    bytes([_OUTSIDE]) + _FORM.message(),
    bytes([_INSIDE]) + opaque(_SECRETS.encode()) + _FORM.info(_ENTRY).encode(),
)


def _seal(data: bytes) -> bytes:
    """Seal what a fuzzer made of group secrets and group info."""
    reader = Reader(data)
    secrets, info = reader.opaque(), data[reader.at :]
    joiner, suite = decode(secrets, GroupSecrets.read).joiner_secret, _STAGE.suite
    keys = derive_welcome_keys(suite, joiner, bytes(32))
    sealed = suite.aead.seal(keys.key, keys.nonce, info, b"")
    package = _STAGE.newcomer.public
    for_one = encrypt_with_label(suite, package.init_key, b"Welcome", sealed, secrets, _STAGE.random)
    entry = EncryptedGroupSecrets(new_member=package.reference, sealed=for_one)
    return encode_message(Welcome(suite=suite.number, secrets=(entry,), encrypted_group_info=sealed))


def run(data: bytes) -> None:
    """It is joined by, or refused."""
    message = decode_message(_seal(data[1:]) if data[:1] == bytes([_INSIDE]) else data[1:], MAX_BYTES)
    if not isinstance(message, Welcome):
        raise InvalidError(Rule.WELCOME_NOT_OURS)
    opened = open_welcome(message, [_STAGE.newcomer], _STAGE.suite, find_psk)
    Group.join(opened, None, _STAGE.application("erin"))
