"""Rotas and pages for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from amanah_client.paging import inputs as i
from amanah_client.paging.duty import Command, Duty, Rota
from amanah_protocol.content.page import Page, Result
from amanah_protocol.labels import Precedence
from amanah_protocol.types import EnvelopeId, OrgName, PersonId, RoomId

TN, MA = OrgName("cert.example.tn"), OrgName("cert.example.ma")
ROOM: Final = RoomId(b"r" * 16)
THEIRS: Final = (MA, PersonId(b"a" * 16))
OURS: Final = (TN, PersonId(b"b" * 16))
HOOK: Final = Command(argv=("/bin/true",))
NOW_MS: Final = round(datetime(2026, 11, 25, 10, 0, tzinfo=UTC).timestamp() * 1000)
"""A Wednesday."""
ANALYST: Final = Duty(name="Analyst on duty", hooks=(HOOK,))
BACKUP: Final = Duty(name="Backup team", hooks=(HOOK,))
ROTA: Final = Rota(people=(ANALYST,), backup=BACKUP, desk_wait_ms=100, step_wait_ms=200, repeat_wait_ms=400)
ALONE: Final = Rota(desk_wait_ms=100, step_wait_ms=200, repeat_wait_ms=400)


def message(number: int) -> EnvelopeId:
    return EnvelopeId(number.to_bytes(32, "big"))


def call(number: int = 1, *, author: i.Person = THEIRS, room: RoomId = ROOM, at_ms: int = NOW_MS) -> i.Call:
    return i.Call(room=room, message=message(number), author=author, at_ms=at_ms, precedence=Precedence.FLASH)


def told(step: int, result: Result = Result.REACHED, *, again: int = 0, at_ms: int = NOW_MS, number: int = 1) -> i.Told:
    page = Page(message=message(number), step=step, again=again, whom="Somebody", result=result, at_ms=at_ms)
    return i.Told(page=page)


def ended(run: i.Run, *, reached: bool) -> i.Ran:
    return i.Ran(message=run.call.message, number=run.step.number, again=run.again, whom=run.step.whom, reached=reached)
