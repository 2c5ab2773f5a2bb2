"""From a machine's lines to envelopes in a room: up to 100 alerts each, none lost, all counted.

A pack is posted when it is full or when the source falls silent. Each is an intent first, durable
on this machine, so that a relay which is down costs nothing but time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from amanah_client import actions, model
from amanah_client.gateway.eve import EveReport, LineSource, bounded_lines, read_eve
from amanah_client.room import Room
from amanah_client.sdk import Client
from amanah_protocol.content.alert import MAX_PACK_BYTES, Alert, AlertPacker
from amanah_protocol.errors import AmanahError, UsageError
from amanah_protocol.labels import Label

SILENCE_S: Final = 1.0
_READ_AHEAD: Final = 1_000
"""Alerts that wait in memory: a source that is faster than the relay is read no faster."""

_Read: TypeAlias = Alert | BaseException | None


@dataclass(slots=True, kw_only=True)
class IntakeReport:
    """What became of a source.

    Attributes:
        lines: What was read.
        delivered: Alerts whose envelopes are in the log.
        kept: Alerts in envelopes that are queued and go out by themselves.
        refused: Alerts in an envelope that was refused for good; nothing behind it was posted.
        too_large: Alerts that fit no envelope.
        envelopes: Envelopes in the log.
        problem: Why not everything is delivered; None when it is.
    """

    lines: EveReport = field(default_factory=EveReport)
    delivered: int = 0
    kept: int = 0
    refused: int = 0
    too_large: int = 0
    envelopes: int = 0
    problem: AmanahError | None = None

    @property
    def dropped(self) -> int:
        """Input that was meant as alerts and is in no envelope."""
        return self.lines.malformed_total + self.too_large


@dataclass(frozen=True, slots=True, kw_only=True)
class _Posted:
    intent: str
    alerts: int


class Intake:
    """Posts the alerts of one source to one room."""

    def __init__(
        self,
        client: Client,
        room: Room,
        *,
        source_name: str,
        label: Label | None,
        timeout_s: float,
        progress: Callable[[IntakeReport], None],
    ) -> None:
        """Put it together; nothing is read before `run`.

        Args:
            client: The connected client.
            room: Where alerts go.
            source_name: How the machine names its input.
            label: Their label; the room's ceiling by default.
            timeout_s: How long to wait for each receipt.
            progress: Called after each envelope.
        """
        self._client = client
        self._room = room
        self._source_name = source_name
        self._label = label
        self._timeout_s = timeout_s
        self._progress = progress
        self._waiting: list[_Posted] = []
        self.report = IntakeReport()

    async def run(self, stream: LineSource, *, max_pack_bytes: int = MAX_PACK_BYTES) -> IntakeReport:
        """Read Suricata EVE lines to their end, post, and report the counts to the room.

        Args:
            stream: Where the lines come from.
            max_pack_bytes: Bound of the encoded alerts of one envelope.

        Raises:
            OSError: The source cannot be read any further; what was read is posted.
        """
        packer = AlertPacker(max_pack_bytes)
        try:
            async with aclosing(silences(stream, self.report.lines)) as alerts:
                async for alert in alerts:
                    await self._post(packer.flush() if alert is None else self._add(packer, alert))
                    if self.report.refused:
                        break  # what was refused for good is not accepted in the next envelope either
        finally:
            if not self.report.refused:
                await self._post(packer.flush())
        for posted in self._waiting:
            await self._settle(posted, last=True)
        await self._report_counts()
        return self.report

    def _add(self, packer: AlertPacker, alert: Alert) -> tuple[Alert, ...]:
        try:
            return packer.add(alert)
        except UsageError:
            self.report.too_large += 1
            return ()

    async def _post(self, pack: tuple[Alert, ...]) -> None:
        if not pack:
            return
        action = self._room.batch(pack, source_name=self._source_name, label=self._label)
        intent = await self._client.ask(action)
        await self._settle(_Posted(intent=intent.id, alerts=len(pack)), last=False)
        self._progress(self.report)

    async def _settle(self, posted: _Posted, *, last: bool) -> None:
        """Wait for one envelope; one that is kept is asked for again when everything was read."""
        try:
            await self._client.outcome(posted.intent, self._timeout_s, patience=Client.PATIENCE)
        except AmanahError as error:
            self.report.problem = error
            if self._client.intent(posted.intent).state is model.IntentState.FAILED:
                self.report.refused += posted.alerts
            elif last:
                self.report.kept += posted.alerts
            else:
                self._waiting.append(posted)
        else:
            self.report.delivered += posted.alerts
            self.report.envelopes += 1

    async def _report_counts(self) -> None:
        """Accepted and dropped, in a header that auditors see."""
        report = self.report
        if not report.kept and not report.refused:
            report.problem = None
        # Another file than was meant is nothing that happened to this source's alerts.
        if report.refused or report.lines.lines == report.lines.blank or report.lines.is_foreign:
            return
        counts = actions.ReportCounts(
            room=self._room.id, accepted=report.delivered + report.kept, merged=0, dropped=report.dropped
        )
        intent = await self._client.ask(counts)
        try:
            await self._client.outcome(intent.id, self._timeout_s, patience=Client.PATIENCE)
        except AmanahError as error:
            report.problem = report.problem or error


async def silences(stream: LineSource, report: EveReport) -> AsyncGenerator[Alert | None]:
    """The alerts of a stream, and None whenever it has been silent for a second.

    Close it: its thread ends then with the line that it waits for.
    """
    ready: asyncio.Queue[_Read] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    reading = _Reading(stream, report, lambda read: loop.call_soon_threadsafe(ready.put_nowait, read))
    # A daemon: nobody waits for a line that never comes.
    threading.Thread(target=reading.work, name="amanah-intake", daemon=True).start()
    try:
        while True:
            try:
                read = await asyncio.wait_for(ready.get(), SILENCE_S)
            except TimeoutError:
                yield None
                continue
            if read is None:
                return
            if isinstance(read, BaseException):
                raise read
            reading.room.release()
            yield read
    finally:
        reading.end()


class _Reading:
    """A source that is read in a thread, as far ahead as there is room."""

    def __init__(self, stream: LineSource, report: EveReport, hand: Callable[[_Read], object]) -> None:
        self._stream = stream
        self._report = report
        self._hand = hand
        self._ended = threading.Event()
        self.room = threading.Semaphore(_READ_AHEAD)

    def end(self) -> None:
        """Nobody takes any more of it."""
        self._ended.set()
        self.room.release()

    def work(self) -> None:
        """Read to the end; the end, or why there is no more, comes last."""
        end: _Read = None
        try:
            for alert in read_eve(bounded_lines(self._stream), self._report):
                self.room.acquire()
                if self._ended.is_set():
                    return
                self._give(alert)
        except (OSError, ValueError) as error:
            end = error
        self._give(end)

    def _give(self, read: _Read) -> None:
        # Where nobody waits any more the loop, and the file, may be closed: that is no fault of the source.
        if not self._ended.is_set():
            with suppress(RuntimeError):
                self._hand(read)
