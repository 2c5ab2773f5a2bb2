"""One step of a pass through contents, as both stores in memory take it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from amanah_protocol.custody.erasures import Cause
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.types import EnvelopeId
from amanah_relay.effects import Entry, Survey
from amanah_relay.inputs import Over, Surveyed
from amanah_relay.purging import RoomRule, Standing, cause_to_go


def surveyed(wanted: Survey, there: Iterable[Entry], standing: Callable[[Entry], Standing]) -> Surveyed:
    """What is over of the contents that are there, given in the order of the log."""
    step = [entry for entry in there if entry.index > wanted.after][: wanted.limit]
    old = [entry for entry in step if entry.accepted_at_ms <= wanted.until_ms]
    causes = [(entry, _cause(entry, wanted, standing(entry))) for entry in old]
    over = tuple(
        Over(
            index=entry.index,
            room=entry.room,
            room_seq=entry.room_seq,
            envelope=EnvelopeId(entry.envelope or b""),
            accepted_at_ms=entry.accepted_at_ms,
            cause=cause,
        )
        for entry, cause in causes
        if cause is not None
    )
    return Surveyed(token=wanted.token, after=old[-1].index if len(old) == wanted.limit else None, over=over)


def _cause(entry: Entry, wanted: Survey, at: Standing) -> Cause | None:
    rule = wanted.rules.get(entry.room, RoomRule())
    return cause_to_go(decode_envelope(entry.object).header, at, rule, wanted.terms)
