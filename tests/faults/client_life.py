"""A program: one client with a real store in a small world, which tells each sealed envelope that leaves it.

Run as `python -m tests.faults.client_life STORE KEY`. The world around the client (a relay, another officer)
is in memory and dies with it; what lasts is the store, and what it has told.
"""

from __future__ import annotations

import sys
from pathlib import Path

from amanah_client import actions, inputs, model
from amanah_client import effects as e
from amanah_client.core import ClientCore
from amanah_client.store import LocalStore
from amanah_protocol import frames
from amanah_protocol.envelope import decode_envelope
from tests.client.core.rooms import create, invite
from tests.client.core.world import MA, TN, Client, Stage, seeded
from tests.engines import ENGINES

MESSAGES = 6


def tell(frame: frames.Frame) -> list[frames.Frame]:
    """Say what leaves, and let it go."""
    if isinstance(frame, frames.Publish):
        for item in frame.items:
            header = decode_envelope(item.envelope).header
            sys.stdout.write(f"left {header.room.hex()} {header.counter} {item.envelope.hex()}\n")
        sys.stdout.flush()
    return [frame]


class Lasting(Client):
    """A client whose store is a file."""

    local: LocalStore

    def ask(self, action: actions.Action) -> str:
        """Queue an intent durably, as the SDK does, say so, and hand it to the core."""
        self.asked += 1
        intent = model.Intent(id=f"{self.asked:032x}", action=action, created_at_ms=self.stage.relay.now_ms)
        self.local.add_intent(intent)
        self.store.intents[intent.id] = intent
        sys.stdout.write(f"queued {intent.id}\n")
        sys.stdout.flush()
        self.give(inputs.Asked(intent=intent))
        return intent.id

    def give(self, event: inputs.Input) -> None:
        """As the shell does it: writes first, then effects; a program that is killed does no more."""
        step = self.core.handle(event, self.stage.relay.now_ms)
        if step.writes:
            self.local.commit(step.writes)
            self.store.commit(step.writes)
        for effect in step.effects:
            match effect:
                case e.SendFrame(data=data):
                    self._send(data)
                case e.Disconnect():
                    self.disconnect()
                case _:
                    pass


def make(stage: Stage, path: Path, key: bytes) -> Lasting:
    """The client, enrolled in a fresh store."""
    plain = stage.client("A", of=TN)
    local = LocalStore(path, key, create=True)
    base = plain.store.base
    local.install(certificate=base.certificate, enrolment=base.enrolment, profile=base.profile, roster=base.roster)
    lasting = Lasting(stage=stage, name="A", device=plain.device, store=plain.store, core=plain.core)
    lasting.local = local
    lasting.core = ClientCore(local.snapshot(), key=plain.device.key, random=seeded("A"), engines=ENGINES)
    lasting.outward = tell
    stage.clients[stage.clients.index(plain)] = lasting
    return lasting


def main() -> None:
    """Open a room, let somebody in, say a few things."""
    stage = Stage()
    path, key = Path(sys.argv[1]), bytes.fromhex(sys.argv[2])
    a = make(stage, path, key)
    b = stage.online("B", of=MA)
    a.connect()
    stage.run()
    room = create(a)
    invite(a, room, b)
    for number in range(MESSAGES):
        a.say(room, f"number {number}")
        b.say(room, f"answer {number}")
        stage.tick(10_000)
    sys.stdout.write("done\n")
    a.local.close()


if __name__ == "__main__":
    main()
