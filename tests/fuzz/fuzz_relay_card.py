"""Fuzz `decode_relay_card`: what an operator hands out."""

from __future__ import annotations

from typing import Final

from amanah_protocol.cards import decode_relay_card, encode_relay_card
from amanah_protocol.roster import Relay
from tests.vectors import examples as x

SEEDS: Final = (
    encode_relay_card(
        Relay(key=x.RELAY_KEY.public, log_vkey=x.LOG_SIGNER.verifier.vkey, origin=x.ORIGIN, addresses=("ws://x:1",))
    ),
)


def run(data: bytes) -> None:
    """What is accepted has one form."""
    assert encode_relay_card(decode_relay_card(data)) == data
