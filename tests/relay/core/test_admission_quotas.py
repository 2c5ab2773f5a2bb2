from __future__ import annotations

from amanah_protocol.envelope import Envelope
from amanah_protocol.errors import Code
from amanah_protocol.identity import MachineLimits, Role
from amanah_protocol.kinds import Alert, Commit, Delivered, Message
from amanah_protocol.labels import Precedence
from amanah_relay.quotas import RelayLimits
from tests.relay.core.circle import Circle, device_of
from tests.relay.world import code_of


def test_a_device_has_its_rate() -> None:
    circle = Circle(RelayLimits(officer_burst=33, officer_per_second=1))
    circle.world.now_ms += 60_000
    for _ in range(33):
        circle.accept(circle.officer, circle.make(circle.officer, Message()))
    over = circle.make(circle.officer, Message())
    refused = circle.refusal(circle.officer, over)
    assert (code_of(refused), refused.retry_after_ms) == (Code.RATE, 1_000)
    circle.world.now_ms += 999
    circle.refusal(circle.officer, over)
    circle.world.now_ms += 1
    circle.accept(circle.officer, over)


def test_a_machine_has_the_rate_of_its_certificate_and_no_more_than_the_relays() -> None:
    circle = Circle(RelayLimits(machine_burst=32), machine=MachineLimits(per_second=2))
    for _ in range(32):
        circle.accept(circle.bot, circle.make(circle.bot, Alert(count=1)))
    assert circle.refusal(circle.bot, circle.make(circle.bot, Alert(count=1))).retry_after_ms == 500
    greedy = Circle(RelayLimits(machine_burst=32, machine_per_second=10), machine=MachineLimits(per_second=1000))
    for _ in range(32):
        greedy.accept(greedy.bot, greedy.make(greedy.bot, Alert(count=1)))
    assert greedy.refusal(greedy.bot, greedy.make(greedy.bot, Alert(count=1))).retry_after_ms == 100


def test_a_new_certificate_changes_a_machines_rate() -> None:
    circle = Circle(RelayLimits(machine_burst=32), machine=MachineLimits(per_second=2))
    circle.accept(circle.bot, circle.make(circle.bot, Alert(count=1)))
    circle.world.now_ms += 60_000
    renewed = circle.world.certify("bot", Role.BOT, machine=MachineLimits(per_second=4))
    renewed.made = device_of(circle.bot).made
    bot = circle.world.login(renewed)
    for _ in range(32):
        circle.accept(bot, circle.make(bot, Alert(count=1)))
    assert circle.refusal(bot, circle.make(bot, Alert(count=1))).retry_after_ms == 250


def test_a_rate_of_the_organisation_is_shared_by_its_devices() -> None:
    circle = Circle(RelayLimits(organisation_burst=40, organisation_per_second=1, flash_reserve_percent=0))
    circle.world.now_ms += 60_000
    for number in range(40):
        sender = circle.officer if number % 2 else circle.bot
        circle.accept(sender, circle.make(sender, Message()))
    assert circle.code(circle.bot, circle.make(circle.bot, Message())) is Code.RATE
    circle.accept(circle.guest, circle.make(circle.guest, Message()))


def test_a_room_has_its_rate() -> None:
    circle = Circle(RelayLimits(room_burst=32, room_per_second=1, flash_reserve_percent=0))
    circle.world.now_ms += 60_000
    for number in range(32):
        sender = circle.officer if number % 2 else circle.guest
        circle.accept(sender, circle.make(sender, Message()))
    assert circle.code(circle.guest, circle.make(circle.guest, Message())) is Code.RATE
    circle.world.open_room(circle.guest)


def test_flash_draws_on_a_reserve_at_its_own_rate() -> None:
    circle = Circle(RelayLimits(room_burst=40, room_per_second=0.001, flash_reserve_percent=50, flash_burst=2))
    circle.world.now_ms += 60_000_000
    for _ in range(20):
        circle.accept(circle.officer, circle.make(circle.officer, Message()))
    usual = circle.make(circle.officer, Message())
    assert circle.code(circle.officer, usual) is Code.RATE
    for _ in range(2):
        circle.accept(circle.officer, circle.make(circle.officer, Message(), precedence=Precedence.FLASH))
    over = circle.make(circle.officer, Message(), precedence=Precedence.FLASH)
    assert circle.code(circle.officer, over) is Code.RATE


def test_a_refused_flash_gives_its_token_back() -> None:
    circle = Circle(RelayLimits(officer_burst=32, officer_per_second=0.001, flash_burst=1, flash_per_minute=0.001))
    circle.world.now_ms += 60_000_000
    for _ in range(32):
        circle.accept(circle.officer, circle.make(circle.officer, Message()))
    flash = circle.make(circle.officer, Message(), precedence=Precedence.FLASH)
    assert circle.code(circle.officer, flash) is Code.RATE
    circle.world.now_ms += 1_000_000
    circle.accept(circle.officer, circle.make(circle.officer, Message(), precedence=Precedence.FLASH))


def test_commits_have_rates_by_room_and_by_device() -> None:
    circle = Circle(RelayLimits(room_commits_burst=2, device_commits_burst=3))
    circle.world.now_ms += 600_000

    def commit() -> Envelope:
        return circle.make(circle.officer, Commit())

    for _ in range(2):
        circle.accept(circle.officer, commit())
        circle.room.epoch += 1
    refused = circle.refusal(circle.officer, waiting := commit())
    assert (refused.retry_after_ms, refused.detail) == (1_000, "too many commits in the room")
    circle.world.now_ms += 1_000
    circle.accept(circle.officer, waiting)
    circle.room.epoch += 1
    circle.world.now_ms += 1_000
    assert circle.refusal(circle.officer, commit()).detail == "too many commits of the device"


def test_a_device_reports_delivery_once_in_thirty_seconds_and_room() -> None:
    circle = Circle()
    circle.accept(circle.guest, circle.make(circle.guest, Delivered(room_seq=1)))
    second = circle.make(circle.guest, Delivered(room_seq=2))
    assert circle.refusal(circle.guest, second).retry_after_ms == 30_000
    circle.world.now_ms += 30_000
    circle.accept(circle.guest, second)


def test_a_refused_list_gives_its_tokens_back() -> None:
    circle = Circle(RelayLimits(officer_burst=32, officer_per_second=0.001))
    circle.world.now_ms += 60_000_000
    for _ in range(30):
        circle.accept(circle.officer, circle.make(circle.officer, Message()))
    made = [circle.make(circle.officer, Message()) for _ in range(3)]
    refused = circle.refusal(circle.officer, *made)
    assert (code_of(refused), refused.position) == (Code.RATE, 2)
    circle.accept(circle.officer, *made[:2])
