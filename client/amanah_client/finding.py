"""Search over what people said in the rooms of a profile."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from amanah_client.message import Message
from amanah_client.reading import Found, Since
from amanah_client.search.query import excerpt, expression, parse_query
from amanah_client.search.words import words_of
from amanah_client.taken_back import since
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId

if TYPE_CHECKING:
    from amanah_client.sdk import Client

MOST: Final = 500
"""Entries of one page."""


def search(client: Client, text: str, *, room: RoomId | None, limit: int, before: int | None) -> list[Found]:
    """What `Client.search` and `Room.search` give; see there."""
    if not 0 < limit <= MOST:
        raise UsageError(Code.USAGE, f"a page of a search holds 1 to {MOST} entries")
    query = parse_query(text)
    rooms = {client.room(reference).id for reference in query.rooms}
    if room is not None:
        rooms = {room} & rooms if rooms else {room}
        if not rooms:
            raise UsageError(
                Code.USAGE, "the search is in one room, and the query names another", hint="Drop one of them."
            )
    senders = {device for reference in query.senders for device in find_senders(client, reference)}
    found = client.profile.store.desk.search(
        expression(query, sorted(rooms), sorted(senders)), before=before, limit=limit
    )
    messages = [(place, client.read(row)) for place, row in found]
    at, became = _standing(client, [message for _place, message in messages])
    results = []
    for place, message in messages:
        piece, spans = excerpt(words_of(message.body), query)
        results.append(
            Found(message=message, at=at[message.id], since=became[message.id], place=place, excerpt=piece, spans=spans)
        )
    return results


def _standing(client: Client, messages: Iterable[Message]) -> tuple[dict[EnvelopeId, Message], dict[EnvelopeId, Since]]:
    """Where a conversation shows each of some messages, and what became of it."""
    by_room: dict[RoomId, list[Message]] = {}
    for message in messages:
        by_room.setdefault(message.room, []).append(message)
    at: dict[EnvelopeId, Message] = {}
    became: dict[EnvelopeId, Since] = {}
    for name, those in by_room.items():
        room = client.room(name.hex())
        became |= since(room, those)
        told_of = {one.id: one.body.message for one in those if isinstance(one.body, Correction | Withdrawal)}
        shown = room.entries(*told_of.values())
        at |= {one.id: shown.get(told_of.get(one.id, one.id), one) for one in those}
    return at, became


def find_senders(client: Client, reference: str) -> list[DeviceId]:
    """The devices that an organisation, a name or first digits of a device id name; a person's are several.

    Raises:
        UsageError: `NOT_FOUND` when nobody who is known fits.
    """
    wanted = reference.strip().casefold()
    directory = client.directory()
    found = []
    for device in directory.certificates:
        party = directory.party(device)
        begins = len(wanted) >= client.PREFIX_MIN and device.hex().startswith(wanted)
        if begins or wanted in (party.organisation, party.name.casefold()):
            found.append(device)
    if not found:
        hint = "Name an organisation, a person as the room shows the name, or first digits of a device."
        raise UsageError(Code.NOT_FOUND, f"nobody who is known here is called {reference!r}", hint=hint)
    return found
