"""Fuzz `decode_policy`: the trust policy an auditor is handed."""

from __future__ import annotations

from typing import Final

from amanah_protocol.errors import DecodeError, UsageError
from amanah_protocol.log.policy import decode_policy, encode_policy, policy_of_roster
from tests.vectors import examples as x

_LOG: Final = x.LOG_SIGNER.verifier.vkey
SEEDS: Final = (
    encode_policy(policy_of_roster(x.roster_of(1))),
    f"log {_LOG} https://relay.example/log\n# none\nquorum none\n".encode(),
)


def run(data: bytes) -> None:
    """What is accepted can be written down and read again; what is not is the caller's mistake."""
    try:
        policy = decode_policy(data)
    except UsageError as error:
        raise DecodeError(error.code, error.detail) from error
    assert decode_policy(encode_policy(policy)) == policy
