"""Attacks 36, 37, 38 and 40: the relay keeps two records of its log, an older one, or another than it acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

import pytest

from amanah_client import model
from amanah_client.audit.evidence import evidence_file, judge
from amanah_client.cli import showing, terminal
from amanah_client.directory import Directory
from amanah_client.log_rows import Quorum
from amanah_client.message import read_message
from amanah_protocol import frames
from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.heads import sign_control_head, verify_control_head
from amanah_protocol.kinds import Kind
from amanah_protocol.limits import HEAD_INTERVAL_MS
from amanah_protocol.log.checkpoint import Checkpoint, decode_checkpoint, sign_checkpoint
from amanah_protocol.log.conflict import Verdict, Way
from amanah_protocol.log.merkle import consistency_path, inclusion_path
from amanah_protocol.log.note import decode_note
from amanah_protocol.log.receipt import Receipt, sign_receipt, verify_receipt
from amanah_protocol.roster import Relay, decode_roster
from amanah_protocol.types import DeviceId, LeafHash
from amanah_relay.core.parts import Books
from amanah_relay.core.sequencer import Unit
from amanah_relay.effects import Append, ReadProof
from amanah_relay.inputs import Cosigned
from amanah_relay.store import Store
from tests.adversary.attack import Attack, Heads, Out
from tests.adversary.evil import EvilRelay
from tests.adversary.outcomes import control, defended
from tests.adversary.stage import Stage
from tests.simulation.log_tree import LogTree

Play = Callable[..., Stage]
DAY_MS: Final = 86_400_000
LED: Final = ("tn-1", "tn-2", "tn-bot")
"""Who is shown the other record; they are in the first room alone."""
OTHERS: Final = ("ma-1", "ma-2", "sn-1", "sn-2")


def relay_of(stage: Stage) -> Relay:
    """What somebody outside knows of the log."""
    return decode_roster(stage.world.community.roster).relays[0]


def judged(stage: Stage, name: str) -> list[Verdict]:
    """What the evidence of a device comes to, offline."""
    text = evidence_file(stage.client(name).store.conflicts(), every=True)
    return [held.judged.verdict for held in judge(text, (relay_of(stage),))]


# ---- 36: two records


class SplitView(Attack):
    """Shows some a log in which one leaf is another, and each group its own, signed and cosigned by half the witnesses.

    The leaf is an entry of a room in which those are not: nothing else that they are shown tells them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.victims: set[DeviceId] = set()
        self.leaves: list[LeafHash] = []
        self.forked_at = 0
        self.forked_at_ms = 0
        self._asked: dict[tuple[DeviceId, int], frames.GetConsistency | frames.GetInclusion] = {}
        self._cosigned: set[int] = set()
        self._room = b""

    def aim(self, stage: Stage) -> None:
        """From the next entry of the second room on."""
        self.victims = {stage.device(name).id for name in LED}
        self._room = stage.rooms[1]

    def on_store(self, relay: EvilRelay, batch: Append) -> None:
        if not self.leaves:
            first = relay.store.read_proof(ReadProof(token=0, inclusion=True, old_or_index=0, size=1)).leaf
            assert first is not None
            self.leaves.append(LeafHash(first))
        for entry in batch.entries:
            other = self._room and not self.forked_at and entry.room == self._room
            if other:
                self.forked_at, self.forked_at_ms = entry.index, relay.clock_ms
            self.leaves.append(LeafHash(sha256(entry.hash)) if other else entry.hash)

    def on_receive(self, relay: EvilRelay, sender: DeviceId | None, data: bytes) -> bool:
        if sender in self.victims:
            try:
                frame = frames.decode_client_frame(data)
            except DecodeError:
                return True  # of a login
            if isinstance(frame, frames.GetConsistency | frames.GetInclusion):
                self._asked[sender, frame.request] = frame
        return True

    def on_login(self, relay: EvilRelay, to: DeviceId, frame: frames.Challenge | frames.Ready) -> Iterable[Out]:
        if to not in self.victims or not isinstance(frame, frames.Ready):
            return (frame,)
        note, head = self._note(relay, frame.checkpoint), self._head(relay, frame.control_head)
        return (frames.Ready(checkpoint=note, control_head=head, rooms=frame.rooms, stock=frame.stock),)

    def on_checkpoint(self, relay: EvilRelay, to: DeviceId, frame: Heads) -> Iterable[Out]:
        return (self._other(relay, to, frame) if to in self.victims else frame,)

    def _other(self, relay: EvilRelay, to: DeviceId, frame: Heads) -> Out:
        """The same of the other record."""
        match frame:
            case frames.Checkpoint(request=request, note=note):
                return frames.Checkpoint(request=request, note=self._note(relay, note))
            case frames.Head(head=head):
                return frames.Head(head=self._head(relay, head))
            case frames.PageEnd() as end:
                head = self._head(relay, end.head) if end.head else end.head
                return frames.PageEnd(end.request, end.room, end.next, end.live, head)
            case frames.Stored(receipt=receipt, accepted=accepted):
                true = verify_receipt(receipt, relay.key.public).value
                false = replace(true, root=self.tree.root(true.size))
                return frames.Stored(receipt=sign_receipt(false, relay.key), accepted=accepted)
            case frames.Path(request=request):
                return self._path(self._asked[to, request])

    @property
    def tree(self) -> LogTree:
        """The other record."""
        return LogTree(self.leaves)

    def _path(self, asked: frames.GetConsistency | frames.GetInclusion) -> frames.Path:
        match asked:
            case frames.GetConsistency(request=request, old=old, new=new):
                return frames.Path(request=request, leaf=None, hashes=consistency_path(self.tree.read, old, new))
            case frames.GetInclusion(request=request, index=index, size=size):
                path = inclusion_path(self.tree.read, index, size)
                return frames.Path(request=request, leaf=self.leaves[index], hashes=path)

    def _note(self, relay: EvilRelay, note: bytes) -> bytes:
        head = decode_checkpoint(note)[0]
        other = Checkpoint(origin=head.origin, size=head.size, root=self.tree.root(head.size))
        signed = decode_note(sign_checkpoint(other, relay._community.log_signer))
        lines = tuple(
            witness.sign(signed.text, time_s=relay.clock_ms // 1_000) for witness in relay._community.witnesses[2:]
        )
        return replace(signed, signatures=(*signed.signatures, *lines)).encode()

    def _head(self, relay: EvilRelay, data: bytes) -> bytes:
        try:
            head = verify_control_head(data, relay.key.public).value
        except DecodeError:
            return data  # a room's, which names no root
        return sign_control_head(replace(head, root=self.tree.root(head.size)), relay.key)

    def on_time(self, relay: EvilRelay) -> None:
        """The other half of the witnesses cosigns what the other group is shown."""
        if not self.armed:
            return
        for size, note in tuple(relay.books.publication.notes.items()):
            if size not in self._cosigned:
                self._cosigned.add(size)
                text, time_s = decode_note(note).text, relay.clock_ms // 1_000
                half = relay._community.witnesses[:2]
                lines = "".join(witness.sign(text, time_s=time_s).encode() for witness in half)
                relay.handle(Cosigned(size=size, lines=lines.encode()))


def split(play: Play) -> tuple[Stage, SplitView]:
    """Both groups work in the first room; what happens in the second is told in two ways."""
    attack = SplitView()
    stage = play(attack, witnesses=4, quorum=3)
    stage.wait(35)
    attack.aim(stage)
    stage.say("ma-1", "only for those in the second room", room=1)
    for number in range(6):
        stage.wait(20)
        stage.say("tn-1", f"from the one group, {number}")
        stage.say("ma-1", f"from the other group, {number}")
    stage.wait(5)
    assert attack.forked_at
    return stage, attack


@defended(36)
def test_two_records_are_found_through_a_message_and_anybody_can_check_the_evidence(play: Play) -> None:
    stage, attack = split(play)
    for name in (*LED, *OTHERS):
        (alarm,) = stage.alarms(name, Code.FORK)
        assert alarm.at_ms - attack.forked_at_ms <= 2 * HEAD_INTERVAL_MS
        assert "amanah audit evidence" in alarm.detail
        (row,) = stage.client(name).store.conflicts()
        (held,) = judge(evidence_file((row,), every=False), (relay_of(stage),))
        sizes = {held.judged.first.size, held.judged.second.size}
        assert min(sizes) > attack.forked_at
        assert held.conflict.second.way is Way.MEMBER
        assert stage.name(held.conflict.second.device) in (OTHERS if name in LED else LED)
        assert held.conflict.second.room == stage.rooms[0]
        # The path of a size that is a power of two does not name the other root.
        assert held.judged.verdict.is_proof or min(sizes).bit_count() == 1
        after = [row for row in stage.messages(name) if row.sender == stage.device(name).id]
        assert all(row.sent_at_ms <= alarm.at_ms for row in after)
    assert stage.crashes() == []


@control(36, "views are compared")
def test_without_the_comparison_of_views_both_groups_go_on(play: Play) -> None:
    stage, _ = split(play)
    assert stage.all_alarms() == {}
    for name in ("tn-2", "sn-1"):
        assert len(stage.texts(name)) == 12


# ---- 37: yesterday's log


def restore(play: Play) -> tuple[Stage, int]:
    """The relay's database is put back to an earlier time, under all its clients; gives the size that TN had seen."""
    stage = play(Attack())
    stage.wait(100)
    assert stage._folder is not None
    path = stage._folder / "yesterday.db"
    assert isinstance(stage.relay.store, Store)
    stage.relay.store.backup(path)
    for number in range(5):
        stage.say("ma-1", f"since yesterday, {number}", room=1)
        stage.wait(15)
    stage.wait(2 * HEAD_INTERVAL_MS // 1000)
    log = stage.client("tn-1").store.snapshot().log
    assert log is not None
    stage.relay.kill()
    store = Store.open(f"sqlite:///{path}")
    stage._stores.append(store)
    stage.relay._open_store = lambda: store
    stage.relay.start()
    stage.wait(60)
    return stage, log.size


@defended(37)
def test_a_log_that_is_rolled_back_is_noticed_by_everybody(play: Play) -> None:
    stage, size = restore(play)
    for name, client in stage.world.clients.items():
        (alarm,) = stage.alarms(name)
        assert alarm.code == Code.LOG_ROLLBACK
        assert judged(stage, name) == [Verdict.UNEXPLAINED]
        kept = client.store.snapshot().log
        assert kept is not None
        assert kept.size >= size
    assert stage.crashes() == []


@control(37, "a checkpoint continues the one before")
def test_without_the_remembered_checkpoint_who_lost_nothing_itself_follows_the_old_log(play: Play) -> None:
    stage, size = restore(play)
    assert stage.alarms("tn-1") == stage.alarms("auditor") == []
    kept = stage.client("tn-1").store.snapshot().log
    assert kept is not None
    assert kept.size < size


# ---- 38: acknowledged, and not logged


class AckAndSkip(Attack):
    """Takes a message of one device, logs nothing, and signs that it stands where another entry does."""

    def __init__(self) -> None:
        super().__init__()
        self.victim: DeviceId | None = None

    def on_receive(self, relay: EvilRelay, sender: DeviceId | None, data: bytes) -> bool:
        if sender is None or sender != self.victim:
            return True
        frame = frames.decode_client_frame(data)
        if not isinstance(frame, frames.Publish):
            return True
        header = decode_envelope(frame.items[0].envelope).header
        size, count = relay.books.state.size, len(frame.items)
        places = range(size - count, size)
        room_seq = relay.room(header.room).head_seq
        receipt = Receipt(
            first_index=size - count,
            size=size,
            root=relay.books.ledger.root,
            accepted_at_ms=relay.clock_ms,
            leaves=tuple(LeafHash(sha256(item.envelope)) for item in frame.items),
        )
        accepted = frames.Accepted(
            request=frame.request,
            indices=tuple(places),
            sequences=tuple(room_seq + 1 + number for number in range(count)),
            accepted_at_ms=relay.clock_ms,
        )
        relay.say(sender, frames.Stored(receipt=sign_receipt(receipt, relay.key), accepted=(accepted,)))
        return False


def acknowledge_and_skip(play: Play) -> tuple[Stage, int]:
    """tn-1 says something that only the relay has heard; gives the time of it."""
    attack = AckAndSkip()
    stage = play(attack)
    stage.wait(100)
    attack.victim = stage.device("tn-1").id
    intent = stage.say("tn-1", "seen by nobody")
    stage.until(lambda: stage.intent("tn-1", intent).state is model.IntentState.DONE)
    said_at_ms = stage.now_ms
    stage.wait(90)
    assert stage.texts("ma-1") == []
    return stage, said_at_ms


@defended(38)
def test_an_acknowledgement_that_the_log_does_not_keep_is_evidence_within_a_minute(play: Play) -> None:
    stage, said_at_ms = acknowledge_and_skip(play)
    (alarm,) = stage.alarms("tn-1")
    assert alarm.code == Code.RECEIPT
    assert alarm.at_ms - said_at_ms <= 60_000
    assert judged(stage, "tn-1") == [Verdict.OTHER_LEAF]
    assert stage.all_alarms().keys() == {"tn-1"}
    assert stage.crashes() == []


@control(38, "receipts are redeemed")
def test_without_the_proof_of_receipts_its_author_takes_it_for_said(play: Play) -> None:
    stage, _ = acknowledge_and_skip(play)
    assert stage.all_alarms() == {}


# ---- 40: times that lie


def lines(stage: Stage, name: str) -> list[str]:
    """The messages of the first room as a terminal shows them."""
    snapshot = stage.client(name).store.snapshot()
    directory = Directory(snapshot.control, snapshot.profiles)
    rows = [row for row in stage.messages(name) if row.kind == Kind.MESSAGE and row.content]
    shown = [showing.line(read_message(row, directory), directory, row.label, None).plain for row in rows]
    return [line for line in shown if "in order" in line]


def shift_time(play: Play, monkeypatch: pytest.MonkeyPatch, ahead_ms: int) -> Stage:
    """The relay accepts what is said a day from now, or a day ago, and says so in leaves and receipts."""
    stage = play(Attack())
    stage.wait(35)

    def enqueue(books: Books, unit: Unit) -> None:
        unit.at_ms += ahead_ms
        books.sequencer.enqueue(unit)

    monkeypatch.setattr(Books, "enqueue", enqueue)
    for number, name in enumerate(("tn-1", "ma-1", "sn-1")):
        stage.say(name, f"{number} in order")
        stage.wait(3)
    return stage


@defended(40)
def test_a_time_of_tomorrow_is_shown_as_the_relays_word_and_changes_no_order(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = shift_time(play, monkeypatch, DAY_MS)
    for name in ("tn-2", "ma-2", "sn-2"):
        shown = lines(stage, name)
        assert [f"{number} in order" in line for number, line in enumerate(shown)] == [True] * 3
        for line in shown:
            # The time at the head of the line is the one that its author has signed.
            head, _, told = line.partition(" [the relay says: ")
            assert terminal.clock(stage.now_ms)[:10] in head
            assert terminal.clock(stage.now_ms + DAY_MS)[:10] in told
    assert stage.crashes() == []


@defended(40)
def test_a_time_of_yesterday_contradicts_the_heads_that_the_relay_has_signed_since(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = shift_time(play, monkeypatch, -DAY_MS)
    for name in (*LED, *OTHERS):
        assert Code.FORK in [alarm.code for alarm in stage.alarms(name)]
    assert stage.crashes() == []


@control(40, "the relay's time is its word")
def test_without_the_remark_nobody_sees_that_the_relays_time_is_another(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = shift_time(play, monkeypatch, DAY_MS)
    assert [line for line in lines(stage, "tn-2") if "the relay says" in line] == []


class Tomorrow(Attack):
    """Witnesses cosign at a time of another day."""

    def __init__(self, ahead_s: int) -> None:
        super().__init__()
        self._ahead_s = ahead_s
        self._cosigned: set[int] = set()

    def on_time(self, relay: EvilRelay) -> None:
        if not self.armed:
            return
        for size, note in tuple(relay.books.publication.notes.items()):
            if size not in self._cosigned:
                self._cosigned.add(size)
                text, time_s = decode_note(note).text, relay.clock_ms // 1_000 + self._ahead_s
                lines = "".join(w.sign(text, time_s=time_s).encode() for w in relay._community.witnesses)
                relay.handle(Cosigned(size=size, lines=lines.encode()))


def cosign_at(play: Play, ahead_s: int) -> Stage:
    """All witnesses cosign, so many seconds from now."""
    stage = play(Tomorrow(ahead_s), witnesses=4, quorum=3)
    stage.say("ma-1", "something to cosign")
    stage.wait(130)
    return stage


@defended(40)
def test_a_checkpoint_cosigned_tomorrow_counts_for_nothing_and_one_of_yesterday_says_so(play: Play) -> None:
    tomorrow = cosign_at(play, DAY_MS // 1_000)
    assert tomorrow.client("tn-1").store.snapshot().witnessed is None
    assert {alarm.code for alarm in tomorrow.alarms("tn-1")} == {Code.THRESHOLD}


@control(40, "cosignatures of tomorrow")
def test_without_the_look_at_its_time_a_cosignature_of_tomorrow_counts(play: Play) -> None:
    stage = cosign_at(play, DAY_MS // 1_000)
    row = stage.client("tn-1").store.snapshot().witnessed
    assert row is not None
    assert row.state is Quorum.SEEN
    assert min(time_s for _, time_s in row.cosignatures) > stage.now_ms // 1_000 + 3_600
