"""Power cuts at every step of a room: nothing sealed twice with one key, nothing lost, nobody left behind."""

from __future__ import annotations

from random import Random

import pytest

from amanah_protocol.errors import AmanahError
from amanah_protocol.group.room_engine import RoomEngine
from amanah_protocol.group.suites import CLASSICAL, POST_QUANTUM
from tests.faults.group_rooms import MOMENTS, Client, Relay, Sealings
from tests.protocol.group.circle import SUITES

CLIENTS = 5
RISK = 0.04
RESTARTS = {CLASSICAL: 60, POST_QUANTUM: 40}
"""Power cuts in the short form."""
CUTS_OF_A_LIFE = 20


class Life:
    """A room whose clients write, commit, add, remove and read in any order."""

    def __init__(self, suite: int, seed: object, kind: type[Client] = Client) -> None:
        self.random = Random(repr(seed))
        self.relay, self.watch = Relay(), Sealings()
        engine = RoomEngine(self.watch.watch(SUITES[suite]))
        self.clients = [
            kind(number, self.relay, engine, self.watch, Random(repr((seed, number)))) for number in range(CLIENTS)
        ]
        self.clients[0].create()
        self.clients[0].commit(adds=tuple(self.clients[1:]))
        self.drain()
        self.written: list[tuple[int, bytes]] = []

    @property
    def cuts(self) -> int:
        return sum(sum(client.cuts.values()) for client in self.clients)

    def members(self) -> list[Client]:
        return [client for client in self.clients if client.group is not None]

    def step(self) -> None:
        """Somebody does something."""
        client = self.random.choice(self.clients)
        client.risk = RISK
        client.attempt(lambda: self._act(client))
        client.risk = 0.0

    def _act(self, client: Client) -> None:
        if client.group is None:
            client.receive(3)
            return
        match self.random.randrange(12):
            case 0 | 1 | 2:
                text = b"%d from %d" % (len(self.written), client.number)
                before = len(client.stored.outbox)
                try:
                    client.write(text)
                finally:
                    if len(client.stored.outbox) > before:
                        self.written.append((client.number, text))
            case 3 | 4 | 5:
                client.send_next()
            case 6:
                self._commit(client)
            case _:
                client.receive(self.random.randint(1, 8))

    def _commit(self, client: Client) -> None:
        """Of a client that is still in: add one that has seen its own removal, remove one, or renew the own keys."""
        client.receive(20)
        if client.group is None:
            return
        inside = set(client.live.members)
        outside = tuple(one for one in self.clients if one.group is None and one.me.id not in inside)
        if outside and self.random.random() < 0.6:
            client.commit(adds=outside[:1])
        elif len(inside) > 3 and self.random.random() < 0.25:
            others = [one.number for one in self.clients if one.me.id in inside and one is not client]
            client.commit(removes=(self.random.choice(others),))
        else:
            client.commit()

    def drain(self) -> None:
        """With the power on, everybody sends all and reads all."""
        while True:
            before = [client.stored for client in self.clients]
            for client in self.clients:
                client.receive(len(self.relay.log))
                if client.group is not None:
                    client.send_next()
            if [client.stored for client in self.clients] == before:
                return

    # ---- what has to hold

    def readable(self, client: Client) -> list[bytes]:
        """The texts of the log that a client was a member for."""
        inside, found = client.number == 0, []
        for entry in self.relay.log:
            if entry.changes is None:
                found += [entry.text] if inside else []
            elif client.me.id in (*entry.changes.added, *entry.changes.removed):
                inside = client.me.id in entry.changes.added
        return found

    def check(self) -> None:
        """Nothing is lost, doubled or out of order, and all have the same secrets in the same epochs."""
        sent = [entry.text for entry in self.relay.log if entry.changes is None]
        assert len(set(sent)) == len(sent)
        for client in self.clients:
            own = [text for number, text in self.written if number == client.number]
            ours = [text for text in sent if text.endswith(b"from %d" % client.number)]
            assert [*ours, *client.stored.outbox] == own
            assert client.group is None or not client.stored.outbox
            assert list(client.stored.read) == self.readable(client)
            assert client.stored.head == len(self.relay.log)
            epochs = [epoch for epoch, _ in client.stored.entered]
            assert epochs == sorted(set(epochs))
        secrets = {pair for client in self.clients for pair in client.stored.entered}
        assert sorted(epoch for epoch, _ in secrets) == list(range(1, self.relay.epoch + 1))
        for client in self.members():
            assert client.live.epoch == self.relay.epoch
            assert set(client.live.members) == {one.me.id for one in self.members()}


@pytest.mark.slow
@pytest.mark.parametrize("suite", RESTARTS, ids="0x{:04X}".format)
def test_rooms_outlive_power_cuts_at_any_moment(suite: int, scale: int) -> None:
    wanted, lives = RESTARTS[suite] * scale, 0
    cuts, kinds = dict.fromkeys(MOMENTS, 0), {"messages": 0, "commits": 0, "added": 0, "removed": 0}
    while sum(cuts.values()) < wanted:
        life = Life(suite, (suite, lives))
        _live(life)
        lives += 1
        for client in life.clients:
            cuts = {moment: count + client.cuts[moment] for moment, count in cuts.items()}
        for entry in life.relay.log:
            kinds["messages" if entry.changes is None else "commits"] += 1
            kinds["added"] += len(entry.changes.added) if entry.changes else 0
            kinds["removed"] += len(entry.changes.removed) if entry.changes else 0
    assert all(cuts.values()), cuts
    assert all(count > lives for count in kinds.values()), kinds


class Forgetful(Client):
    """Stores what it sends, and not that a key was used for it."""

    def _save(self, *, moved: bool, used_key: bool = True, **changes: object) -> None:
        super()._save(moved=moved, used_key=used_key and "flying" not in changes, **changes)


class Hasty(Client):
    """Merges its commit when it sends it, and again when it comes back."""

    def _resend(self) -> None:
        flying = self.stored.flying
        super()._resend()
        if flying is not None and flying.changes is not None and self.live.pending is not None:
            self.live.merge()
            self._save(moved=True)


@pytest.mark.parametrize(
    ("kind", "found"),
    [(Forgetful, "a key was used twice"), (Hasty, "no own commit is pending")],
    ids=["a used key is not stored", "a commit is merged twice"],
)
def test_a_client_that_stores_too_little_or_merges_too_early_is_found(kind: type[Client], found: str) -> None:
    with pytest.raises((AssertionError, AmanahError), match=found):
        _live(Life(CLASSICAL, ("faulty", 0), kind))


def _live(life: Life) -> None:
    while life.cuts < CUTS_OF_A_LIFE:
        life.step()
    life.drain()
    life.check()
