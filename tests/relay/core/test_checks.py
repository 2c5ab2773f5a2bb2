from __future__ import annotations

from amanah_protocol.rooms import Standing
from amanah_relay.core.checks import Standings
from tests.relay.world import TN, World


def test_standings_are_those_of_all_certified_devices() -> None:
    world = World()
    devices = [world.certify(name) for name in "ab"]
    for device in devices:
        world.login(device)
    state = world.store.state()
    state.devices[devices[1].id].revoked_index = 1
    standings = Standings(state)
    assert len(standings) == 2
    assert dict(standings) == {
        devices[0].id: Standing(certificate=devices[0].certificate, revoked=False),
        devices[1].id: Standing(certificate=devices[1].certificate, revoked=True),
    }
    state.revoked_enrolments.add(world.nations[TN].enrolment.key_id)
    assert all(standing.revoked for standing in standings.values())
