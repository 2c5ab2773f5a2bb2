"""A copy read after the own organisation has left a room: from the real relay's core, by the real client's."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from amanah_client import actions, model
from amanah_client.audit.anchors import anchor_of_rosters
from amanah_client.audit.examination import examine
from amanah_client.audit.export import shown_rows
from amanah_client.log_rows import AuditRow
from amanah_protocol.custody.chain import custody_chain
from amanah_protocol.identity import Role
from amanah_protocol.log.leaf import LeafType, decode_leaf
from amanah_protocol.types import RoomId
from tests.client.audit.world import faults
from tests.client.core.rooms import two
from tests.client.core.test_quorum import W1, W2, W3, WITNESSES, wait
from tests.client.core.world import MA, Stage


class Left:
    """MA places a hold, and its only device is removed: what MA's auditor copies then."""

    def __init__(self) -> None:
        self.stage = Stage(witnesses=WITNESSES, quorum=3)
        a, b, self.room = two(self.stage)
        self.auditor = self.stage.online("auditor", of=MA, role=Role.AUDITOR)
        made = self.stage.relay.nations[MA].hold(self.room, now_ms=self.stage.relay.now_ms)
        assert self.stage.submit(b, LeafType.LEGAL_HOLD, made).state is model.IntentState.DONE
        self.held_ms = self.stage.relay.now_ms
        wait(self.stage, 120, W1, W2, W3)
        wait(self.stage, 60)
        a.do(actions.Remove(room=self.room, devices=(b.device.id,)))

    def rows(self, *, uncosigned: bool) -> list[AuditRow]:
        """What the auditor copies."""
        asked = self.auditor.ask(actions.AuditSync(uncosigned=uncosigned))
        self.stage.wait(5_000)
        assert self.auditor.intent(asked).state is model.IntentState.DONE
        return list(self.auditor.store.audit)

    def faults(self, rows: list[AuditRow]) -> list[tuple[int | None, str]]:
        """What is wrong with these rows."""
        context = self.auditor.core._ctx  # noqa: SLF001 - the checkpoints that it has
        log, witnessed = context.log, context.witnesses.row
        assert log is not None
        notes = {log.size: log.checkpoint}
        if witnessed is not None:
            notes[witnessed.size] = witnessed.note
        roster = self.stage.relay.roster.endorsed.encode()
        found = examine(rows, checkpoint=notes[len(rows)], anchor=anchor_of_rosters((roster,), "the roster"))
        return faults(found)


def without_custody(rows: Iterable[AuditRow], room: RoomId) -> list[AuditRow]:
    """The same as if nothing of a room's custody were shown."""
    chain = custody_chain(room)
    return [
        replace(row, entry=None, document=None)
        if row.entry is not None and decode_leaf(row.entry).room == chain
        else row
        for row in rows
    ]


def test_a_copy_that_ends_before_the_own_organisation_left_and_is_read_after_it_holds() -> None:
    left = Left()
    rows = left.rows(uncosigned=False)
    assert left.faults(rows) == []
    removal = max(row.index for row in left.rows(uncosigned=True) if row.entry is not None)
    assert len(rows) <= removal, "a control: the removal stands behind it"
    assert left.faults(without_custody(rows, left.room)) == [(None, "GAP")], "a control"


def test_a_bundle_up_to_a_time_before_that_holds() -> None:
    left = Left()
    wait(left.stage, 120, W1, W2, W3)
    rows = left.rows(uncosigned=False)
    shown = list(shown_rows(rows, frozenset({left.room}), frozenset(), left.held_ms))
    assert sum(row.entry is None for row in shown) > sum(row.entry is None for row in rows)
    assert left.faults(shown) == []
    assert left.faults(without_custody(shown, left.room)) == [(None, "GAP")], "a control"
