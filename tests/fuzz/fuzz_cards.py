"""Fuzz armour, cards and replies: what people hand to each other."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from amanah_protocol import cards
from amanah_protocol.errors import PeerError
from amanah_protocol.roster import Relay
from tests.vectors import examples as x

_RELAY: Final = Relay(
    key=x.RELAY_KEY.public, log_vkey=x.LOG_SIGNER.verifier.vkey, origin=x.ORIGIN, addresses=("ws://x:1",)
)
_REPLY: Final = cards.Reply(certificate=b"c", enrolment=b"e", profile=b"p", roster=b"r")
SEEDS: Final = (
    cards.encode_relay_card(_RELAY),
    _REPLY.encode(),
    cards.armour(cards.Armour.REPLY, _REPLY.encode()).encode(),
)


def run(data: bytes) -> None:
    """Each decoder takes it or refuses it."""
    with suppress(PeerError):
        cards.decode_armour(data.decode("utf-8", "replace"), cards.Armour.REPLY)
    with suppress(PeerError):
        assert cards.encode_relay_card(cards.decode_relay_card(data)) == data
    with suppress(PeerError):
        cards.decode_organisation_card(data)
    assert cards.decode_reply(data).encode() == data
