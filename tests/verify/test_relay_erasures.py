"""What a relay makes of time, policies and holds, both verifiers take for right: its own log, held against its roster.

The relay is the real core over a store in memory. What is *not* dropped shows there, not in the log: a log without a
statement is no proof that anything was kept.
"""

from __future__ import annotations

from amanah_client.audit.anchors import anchor_of_rosters
from amanah_client.audit.examination import examine
from amanah_client.audit.retention import retention
from amanah_client.log_rows import AuditRow
from amanah_protocol.custody.erasures import Cause
from amanah_protocol.heads import ControlHead, sign_control_head
from amanah_protocol.labels import Label
from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint
from amanah_protocol.log.leaf import Leaf
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.types import CONTROL, LeafHash
from tests.client.audit.world import faults
from tests.relay.core.test_purging import Shelf
from tests.relay.people import LOG_SIGNER, ORIGIN, RELAY_KEY
from tests.verify.bundles import Evidence, verdict


def rows_of(shelf: Shelf) -> list[AuditRow]:
    """The relay's log as an auditor gets it who sees all of it."""
    return [
        AuditRow(
            index=entry.index,
            hash=entry.hash,
            entry=Leaf(
                type=entry.type,
                accepted_at_ms=entry.accepted_at_ms,
                room=entry.room,
                room_seq=entry.room_seq,
                previous=entry.previous,
                object=entry.object,
            ).encode(),
            document=entry.document,
        )
        for entry in shelf.world.store.entries
    ]


def judged(shelf: Shelf) -> tuple[list[Cause | None], int]:
    """Both verifiers hold the log; why each content went, by the register, and how many should have gone."""
    rows, frontier = rows_of(shelf), Frontier()
    for row in rows:
        frontier.append(LeafHash(row.hash))
    note = sign_checkpoint(Checkpoint(origin=ORIGIN, size=len(rows), root=frontier.root()), LOG_SIGNER)
    newest = [entry for entry in shelf.world.store.entries if entry.room == CONTROL][-1]
    head = ControlHead(
        sequence=newest.room_seq, leaf=newest.hash, size=len(rows), root=frontier.root(), time_ms=shelf.world.now_ms
    )
    signed = sign_control_head(head, RELAY_KEY)
    roster = shelf.world.roster.endorsed.encode()
    anchor = anchor_of_rosters((roster,), "the roster of this test")
    report = examine(rows, checkpoint=note, anchor=anchor, control_head=signed)
    second = verdict(Evidence(rows=rows, checkpoint=note, rosters=(roster,), control_head=signed).encode(), (roster,))
    # Nobody of this log exports: what only bundles have is tested elsewhere.
    assert [reason for _, reason in second.reasons if not reason.startswith("the exporter")] == []
    assert faults(report) == []
    found = retention(report.record)
    return [item.cause for item in found.gone], len(found.overdue)


def test_what_a_rooms_policy_drops_leaves_the_record_whole() -> None:
    shelf = Shelf()
    green, red = shelf.say(Label.GREEN), shelf.say(Label.RED)
    shelf.pass_days(3.5)
    shelf.pass_days(4)
    assert shelf.gone() == [green, red]
    assert judged(shelf) == ([Cause.ROOM, Cause.ROOM], 0)


def test_a_hold_keeps_content_and_its_release_lets_it_go_and_both_are_right() -> None:
    shelf = Shelf()
    green, erased = shelf.say(Label.GREEN), shelf.say(Label.AMBER)
    hold = shelf.hold()
    shelf.erase(erased)
    shelf.pass_days(30)
    assert shelf.statements() == []
    assert green not in shelf.gone()
    assert len(shelf.world.store.withheld) == 1, "what a member erased is hidden, and kept"
    causes, overdue = judged(shelf)
    assert (causes, overdue) == ([None], 0), "a member erased it; the relay has dropped nothing"
    shelf.release(hold)
    shelf.pass_days(1)
    assert {place for said in shelf.statements() for place in said.places} == {green, erased}
    causes, overdue = judged(shelf)
    assert (set(causes), overdue) == ({None, Cause.ROOM, Cause.HELD}, 0)


def test_a_relay_that_drops_nothing_is_told_of_it() -> None:
    shelf = Shelf()
    shelf.say(Label.GREEN)
    shelf.world.now_ms += 5 * 86_400_000
    shelf.say(Label.AMBER)
    assert judged(shelf) == ([], 1)
