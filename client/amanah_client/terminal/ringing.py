"""What rings while the terminal is open, as `amanah watch` does it: who was paged, who comes next, how it ends.

Each face of a profile rings where it is looked at; people beyond the desk are paged by one process of the profile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from amanah_client.language import gettext as _
from amanah_client.language import ngettext
from amanah_client.paging.duty import Rota
from amanah_client.paging.pager import Called, Notification, NotRecorded, Pager, Ringing, Rings
from amanah_client.paging.sounding import Sounding
from amanah_client.sdk import Client
from amanah_client.terminal.lines import Part, Row, said, wrap
from amanah_client.view import words
from amanah_client.view.people import Seat
from amanah_client.view.ringing import RingLine, ring_line, unmet
from amanah_protocol.errors import AmanahError, UsageError
from amanah_protocol.types import EnvelopeId, RoomId

_EDGE: Final = (Part(" "),)


class Ringer:
    """Rings for one profile while `run` runs."""

    def __init__(self, client: Client, *, changed: Callable[[], None], sound: Callable[[], None]) -> None:
        """Read the rota; one that cannot be used pages nobody, and this device rings all the same.

        Args:
            client: The profile.
            changed: Called when something else rings, or is paged.
            sound: Sounds, where no page of the desk does.
        """
        self._client = client
        self._changed = changed
        self._bell = sound
        self._sounding = Sounding(client.profile.home)
        self.trouble: AmanahError | None = None
        self._reached_nobody: dict[EnvelopeId, tuple[str, ...]] = {}
        try:
            self._pager = Pager(client, tell=self._told)
        except UsageError as error:
            self.trouble = error
            self._pager = Pager(client, Rota(), tell=self._told)

    @property
    def ringing(self) -> tuple[Ringing, ...]:
        """What rings now, the oldest first."""
        return self._pager.ringing

    def in_room(self, room: RoomId) -> EnvelopeId | None:
        """What has rung longest in a room; None for nothing."""
        return next((one.message for one in self.ringing if one.room == room), None)

    async def run(self) -> None:
        """Ring until cancelled; what keeps it from ringing is shown, since nobody may take silence for quiet."""
        try:
            await self._pager.run()
        except AmanahError as error:
            self.trouble = error
            self._changed()

    def sound(self) -> None:
        """Sound once while something rings; a page of the desk that its officer sits at sounds instead."""
        if self.ringing and self._sounding.take():
            self._bell()
            self._sounding.leave()

    def _told(self, told: Notification) -> None:
        match told:
            case Rings():
                self.sound()
            case Called(failures=failures):
                self._reached_nobody[told.message] = tuple(f"{one.hook}: {one.detail}" for one in failures)
            case NotRecorded(problem=problem):
                self.trouble = problem
            case _:
                pass
        self._changed()

    # ---- what is shown of it

    def rows(self, seat: Seat, width: int) -> list[Row]:
        """What rings, above all else; nothing while nothing does."""
        ringing = self.ringing
        lines: list[tuple[Sequence[Part], int | None]] = []
        if self.trouble is not None:
            what = words.value(f"{self.trouble.detail.rstrip('.')}. {self.trouble.hint}")
            lines.append((said(_("Paging is in trouble: %(what)s", what=what), "worst"), None))
        lines += [(said(told, "bad"), None) for told in unmet(self._pager.unknown_rooms())]
        if ringing:
            line = self._line(ringing[0], seat)
            lines.append((tuple(_first(line)), 2))
            lines.append((tuple(self._paged(ringing[0].message, line)), 3))
            told = _("F6 goes there; it rings until your nation says read, understood or acting.")
            more = len(ringing) - 1
            also = ngettext("%(count)s more rings.", "%(count)s more ring.", more) if more else ""
            lines.append((said(" ".join(filter(None, (told, also))), "dim"), 2))
        return [Row(edge=_EDGE, parts=row) for parts, most in lines for row in wrap(parts, width - 2, most)]

    def _line(self, ringing: Ringing, seat: Seat) -> RingLine:
        room, pager = self._client.room(ringing.room), self._pager
        message = room.entries(ringing.message).get(ringing.message)
        return ring_line(ringing, pager.rota, seat, room, message, pages_others=pager.runs_hooks)

    def _paged(self, message: EnvelopeId, line: RingLine) -> Iterator[Part]:
        if why := self._reached_nobody.get(message):
            yield from said(_("Nobody was reached by %(why)s.", why=words.listed(why)), "bad")
            yield Part(" ")
        yield from said(line.words)


def _first(line: RingLine) -> Iterator[Part]:
    if line.drill:
        yield from said(_("Drill"), "drill")
        yield Part(" ")
    yield from said(_("Rings"), "page")
    told = _(
        "%(whom)s, %(precedence)s, since %(time)s, in %(room)s",
        whom=words.value(f"{line.chip} {line.name}"),
        precedence=line.urgent,
        time=line.since,
        room=words.value(line.title),
    )
    yield Part("  ")
    yield from said(told, "bold")
