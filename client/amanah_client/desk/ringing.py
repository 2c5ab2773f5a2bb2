"""What rings at this desk: the same machine as `amanah watch`, and which page of it sounds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from amanah_client.feed import Feed
from amanah_client.paging import pager as p
from amanah_client.paging.duty import Rota
from amanah_client.paging.sounding import BELL_S, Sounding
from amanah_client.sdk import Client
from amanah_client.together import until_one_ends
from amanah_client.view.people import Seat
from amanah_client.view.ringing import BEGINS_CHARS, Rang, RingLine, ring_line
from amanah_client.visible import shown
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.types import EnvelopeId

LOOK_S: Final = 1.0
"""So often it is looked which program sounds."""


class Ringer:
    """Rings for the profile of a desk while `run` runs."""

    def __init__(self, client: Client, changed: Callable[[], None]) -> None:
        """Ring for nothing yet.

        Args:
            client: The profile.
            changed: Called when what `shown` gives has changed.
        """
        self._client = client
        self._changed = changed
        self._pager: p.Pager | None = None
        self._sounding = Sounding(client.profile.home)
        # In the order in which their officers touched them: the first one sounds.
        self._pages: dict[object, None] = {}
        self.trouble = ""

    async def run(self, bell: Callable[[], None], tell: Callable[[str], None]) -> None:
        """Ring until cancelled.

        Args:
            bell: Sounds where no page does.
            tell: Where a line goes that the user should see.

        Raises:
            AmanahError: What keeps it from ringing: nobody may take silence for quiet.
        """
        try:
            self._pager = p.Pager(self._client, tell=lambda told: self._hear(told, tell))
        except UsageError as error:
            if error.code is not Code.CONFIG:
                raise
            # A rota that cannot be used keeps nobody from the desk: it rings, and says that nobody else is paged.
            self.trouble = shown(f"{error.detail}. {error.hint}")
            tell(f"nobody but this desk is paged: {error.detail}. {error.hint}")
            self._pager = p.Pager(self._client, Rota(), tell=lambda told: self._hear(told, tell))
        for name in self._pager.unknown_rooms():
            tell(f"paging.toml names a room {name!r}, and there is none: nothing pages by that name")
        try:
            await until_one_ends(self._pager.run(), self._sound(bell))
        finally:
            self._sounding.leave()

    def _hear(self, told: p.Notification, tell: Callable[[str], None]) -> None:
        if isinstance(told, p.Rings) and not self._pages:
            of = told.ringing
            drill = "DRILL, " if self._client.is_drill(of.room) else ""
            tell(f"it rings: {drill}{of.precedence.name.lower()} in room {of.room.hex()[:8]}; open the desk to answer")
        if isinstance(told, p.Renamed):
            tell(f"a room that paging.toml names is called {told.title!r} now, and was called {told.before!r}")
            tell(f"it rings as before: room {told.room.hex()[:8]}")
        if isinstance(told, p.NotRecorded):
            tell(f"the room was not told of a page: {told.problem.detail} [{told.problem.code}] {told.problem.hint}")
        self._changed()

    # ---- which program sounds, and which page of this one

    def sounds_in(self, page: object, *, on: bool) -> None:
        """A page can sound, or can no longer."""
        before = self._first()
        if on:
            self._pages.setdefault(page)
        else:
            self._pages.pop(page, None)
        if self._first() is not before:
            self._settle()
            self._changed()

    def _first(self) -> object | None:
        return next(iter(self._pages), None)

    def _settle(self) -> None:
        if self._pages:
            self._sounding.take()
        else:
            self._sounding.leave()

    async def _sound(self, bell: Callable[[], None]) -> None:
        passed_s = BELL_S
        while True:
            had = self._sounding.has
            self._settle()
            if had is not self._sounding.has:
                self._changed()
            passed_s += LOOK_S
            if not self._pages and self.ringing and passed_s >= BELL_S and self._sounding.take():
                passed_s = 0.0
                bell()
                self._sounding.leave()
            await asyncio.sleep(LOOK_S)

    # ---- what rings

    @property
    def ringing(self) -> tuple[p.Ringing, ...]:
        """What rings now, the oldest first."""
        return () if self._pager is None else self._pager.ringing

    @property
    def rota(self) -> Rota:
        """Who is paged."""
        return Rota() if self._pager is None else self._pager.rota

    @property
    def unknown_rooms(self) -> tuple[str, ...]:
        """What the rota names as a room, and none fits."""
        return () if self._pager is None else self._pager.unknown_rooms()

    @property
    def pages_others(self) -> bool:
        """Whether this program pages others, and not another one of the profile."""
        return self._pager is not None and self._pager.runs_hooks

    def shown(self, seat: Seat, page: object) -> Rang:
        """What rings, for one page."""
        lines = tuple(self._line(of, seat) for of in self.ringing)
        sounds = self._sounding.has and self._first() is page
        return Rang(lines=lines, sounds=sounds, elsewhere=bool(self._pages) and not sounds, trouble=self.trouble)

    def _line(self, of: p.Ringing, seat: Seat) -> RingLine:
        room = self._client.room(of.room)
        found = room.entries(of.message).get(of.message)
        entry = None if found is None else Feed(room, most=BEGINS_CHARS).entry(found, seat)
        return ring_line(of, self.rota, seat, room, found, pages_others=self.pages_others, entry=entry)

    async def answer(self, message: EnvelopeId) -> None:
        """Acknowledge what rings, as understood.

        Raises:
            UsageError: `NOT_FOUND` for what does not ring.
        """
        if self._pager is None:
            raise UsageError(Code.NOT_FOUND, "nothing rings yet", hint="Try again in a moment.")
        await self._pager.acknowledge(message)
        self._changed()
