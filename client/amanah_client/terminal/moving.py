"""Files on their way, as bars above the composer: being sealed, sent, fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from amanah_client import effects as e
from amanah_client.attaching import Attach
from amanah_client.language import gettext as _
from amanah_client.language import number
from amanah_client.sdk import Client
from amanah_client.terminal.lines import Part, Row, cells, cut, said
from amanah_client.view import words

_BAR: Final = 20
_FULL: Final = "\N{FULL BLOCK}"
_EMPTY: Final = "\N{LIGHT SHADE}"
_MOST: Final = 4
"""Bars that are shown at once."""


@dataclass(slots=True)
class Move:
    """Something that takes a while.

    Attributes:
        title: What is done to what.
        done: How much of it.
        total: Of how much; 0 where that is not known yet.
        local: Whether it ends with this program, and is not kept to go on.
    """

    title: str
    done: int = 0
    total: int = 0
    local: bool = False

    def tell(self, done: int, total: int) -> None:
        """It is so far; from whatever thread."""
        self.done, self.total = done, total


class Moves:
    """What is on its way now."""

    def __init__(self, client: Client) -> None:
        """Begin with nothing."""
        self._client = client
        self._own: list[Move] = []
        self._uploads: dict[bytes, Move] = {}

    @property
    def all(self) -> tuple[Move, ...]:
        """What is on its way."""
        return (*self._own, *self._uploads.values())

    @property
    def any_local(self) -> bool:
        """Whether something would end with this program."""
        return any(move.local for move in self._own)

    def begin(self, title: str, *, local: bool) -> Move:
        """Somebody asked for it here."""
        move = Move(title, local=local)
        self._own.append(move)
        return move

    def end(self, move: Move) -> None:
        """It is done, or failed."""
        self._own.remove(move)

    def hear(self, event: e.TransferChanged) -> None:
        """An upload went on: also one of an earlier run of this program."""
        if not event.upload:
            return  # what fetches is told by whoever asked for it
        if event.done >= event.total:
            self._uploads.pop(event.attachment, None)
            return
        move = self._uploads.get(event.attachment)
        if move is None:
            name = self._name(event.attachment)
            if not name:
                return
            move = self._uploads[event.attachment] = Move(_("Sending %(name)s", name=words.value(name)))
        move.tell(event.done, event.total)

    def settled(self) -> None:
        """Something of the outbox is done or was dropped: what is not in it any more moves no more."""
        known = {one.action.attachment for one in self._client.outbox() if isinstance(one.action, Attach)}
        self._uploads = {attachment: move for attachment, move in self._uploads.items() if attachment in known}

    def _name(self, attachment: bytes) -> str:
        actions = (intent.action for intent in self._client.outbox())
        return next((one.name for one in actions if isinstance(one, Attach) and one.attachment == attachment), "")

    def rows(self, width: int) -> list[Row]:
        """A line for each."""
        return list(map(_row(width), self.all[:_MOST]))


def _row(width: int) -> Callable[[Move], Row]:
    def draw(move: Move) -> Row:
        end = tuple(_bar(move))
        return Row(edge=(Part(" "),), parts=cut(said(move.title), width - 3 - cells(end)), end=(Part("  "), *end))

    return draw


def _bar(move: Move) -> Iterator[Part]:
    if not move.total:
        yield from said(_("begins"), "dim")
        return
    full = _BAR * min(move.done, move.total) // move.total
    yield Part(_FULL * full, "good")
    yield Part(_EMPTY * (_BAR - full), "dim")
    told = _("%(done)s of %(total)s bytes", done=number(move.done), total=number(move.total))
    yield from said(f" {told} ")
