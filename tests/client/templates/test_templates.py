"""Templates: those that come along are right, those that are misspelt are refused, and what one comes to."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amanah_client import actions
from amanah_client.language import Language, speaking
from amanah_client.saying import Say
from amanah_client.templates.plan import Filled, cast_roles, planned
from amanah_client.templates.template import BUILT_IN, MAX_BYTES, Template, built_in, decode_template, span_ms
from amanah_client.view.runs import parse
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.content.task import Task
from amanah_protocol.content.text import Called, Mention, Text
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.labels import Label
from amanah_protocol.types import OrgName, RoomId

TN, MA, SN = (OrgName(f"cert.example.{nation}") for nation in ("tn", "ma", "sn"))
ROOM = RoomId(b"r" * 16)
OPENED_MS = 1_795_000_000_000
HOUR_MS = 3_600_000
SMALL = """
format = 1
name = "small"
about = "x"
label = "amber"
"""


def read(text: str) -> Template:
    return decode_template(text.encode(), "small.toml")


def draw() -> Callable[[int], bytes]:
    numbers = iter(range(1_000))
    return lambda length: next(numbers).to_bytes(length)


def filled(template: Template, *given: tuple[str, OrgName], invited: tuple[OrgName, ...] = ()) -> Filled:
    return Filled(
        template=template,
        title="Hospital group",
        own=TN,
        cast=cast_roles(template, given, TN),
        invited=invited,
        label=template.ceiling,
        opened_at_ms=OPENED_MS,
    )


@pytest.mark.parametrize("name", BUILT_IN)
def test_what_comes_along_is_right_and_can_be_opened(name: str) -> None:
    template = decode_template(built_in(name), name)
    assert template.name == name
    found = planned(filled(template), ROOM, draw())
    # Alone in its room, an organisation has all of the checklist.
    assert len(found) == 2 + len(template.task) + len(template.clock)


def test_who_is_invited_comes_first_and_reads_all_of_it() -> None:
    template = decode_template(built_in("ransomware"), "ransomware")
    plan = filled(template, ("affected", MA), ("affected", SN), ("support", SN), invited=(OrgName("cert.example.fr"),))
    found = planned(plan, ROOM, draw())
    invites = [one.organisation for one in found if isinstance(one, actions.Invite)]
    assert invites == ["cert.example.fr", MA, SN]
    assert [type(one) for one in found[:3]] == [actions.Invite] * 3
    assert plan.uncast == ()
    bodies = [one.body for one in found if isinstance(one, Say)]
    assert bodies[0] == Incident(
        title="Hospital group",
        severity=Severity.HIGH,
        status=Status.TRIAGE,
        type="malicious-code/infected-system",
        aware_at_ms=OPENED_MS,
    )
    tasks = [one for one in bodies if isinstance(one, Task)]
    assert [(one.nation, one.until_ms) for one in tasks if one.what.startswith("Say how many systems")] == [
        (MA, OPENED_MS + 12 * HOUR_MS),
        (SN, OPENED_MS + 12 * HOUR_MS),
    ]
    assert len({one.id for one in tasks}) == len(tasks)
    clocks = [(one.nature, one.at_ms) for one in bodies if isinstance(one, Clock)]
    assert clocks[0] == (Nature.DEADLINE, OPENED_MS + 24 * HOUR_MS)
    assert {one.label for one in found if isinstance(one, Say)} == {Label.AMBER_STRICT}


def test_the_room_is_told_who_is_in_it_for_what() -> None:
    template = decode_template(built_in("ransomware"), "ransomware")
    plan = filled(template, ("affected", MA), ("affected", SN), invited=(OrgName("cert.example.fr"),))
    (told,) = (one.body for one in planned(plan, ROOM, draw()) if isinstance(one, Say) and isinstance(one.body, Text))
    assert told.text.splitlines() == [
        "Who is here for what:",
        f"- lead: @{TN} (opens the room, keeps the overview, notifies for its constituents)",
        f"- affected: @{MA}, @{SN} (has victims of the same campaign)",
        f"- support: nobody yet, its tasks are for @{TN} (brings analysis, decryptors or contacts to hosts)",
    ]
    # Whoever is given a role is called, so that its people see that it is about them.
    assert told.mentions == tuple(Mention(called=Called.NATION, organisation=nation) for nation in (MA, SN))
    assert [block.kind for block in parse(told.text)] == ["text", "bullets"]
    assert not any(run.indicator for block in parse(told.text) for line in block.lines for run in line)


def test_who_is_in_it_for_what_is_told_in_the_language_of_who_opens() -> None:
    plan = filled(decode_template(built_in("phishing"), "phishing"), ("hosting", MA))
    with speaking(Language(code="fr")):
        said = [one.body for one in planned(plan, ROOM, draw()) if isinstance(one, Say)]
    (told,) = (body for body in said if isinstance(body, Text))
    assert told.text.splitlines()[0] == "Qui est là pour quoi\u00a0:"
    assert any(line.startswith(f"- hosting\u00a0: @{MA} (") for line in told.text.splitlines())


def test_a_template_without_roles_tells_of_none() -> None:
    said = [one.body for one in planned(filled(read(SMALL), invited=(MA,)), ROOM, draw()) if isinstance(one, Say)]
    assert [type(body) for body in said] == [Incident]


def test_roles_that_nobody_has_are_named_and_fall_to_who_opens() -> None:
    plan = filled(decode_template(built_in("ransomware"), "ransomware"), ("support", SN))
    assert plan.uncast == ("affected",)
    assert plan.of("affected") == (TN,)


def test_nations_that_a_template_names_are_in_each_of_its_rooms() -> None:
    template = read(SMALL + f'[[role]]\nname = "desk"\nabout = "x"\nnations = ["{MA}"]\n')
    assert filled(template, ("desk", SN)).of("desk") == (MA, SN)
    with pytest.raises(UsageError) as refused:
        cast_roles(template, [("dsek", SN)], TN)
    assert (refused.value.code, refused.value.hint) == (Code.NOT_FOUND, "Its roles are lead, desk.")


def test_more_nations_than_a_room_can_decide_with_are_refused() -> None:
    many = tuple(OrgName(f"cert{number}.example.org") for number in range(65))
    with pytest.raises(UsageError) as refused:
        planned(filled(read(SMALL), invited=many), ROOM, draw())
    assert refused.value.code is Code.TOO_LARGE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("format = 2\n" + SMALL.replace("format = 1", ""), "2"),
        (SMALL + "lable = 1\n", "lable"),
        (SMALL + '[incident]\nserverity = "high"\n', "serverity"),
        (SMALL + '[incident]\ntype = "x/y"\n', "no type of the taxonomy"),
        (SMALL + '[[task]]\nwhat = "x"\nrole = "desk"\n', "desk"),
        (SMALL + '[[task]]\nwhat = "x"\nwithin = "soon"\n', "within"),
        (SMALL + '[[task]]\nwhat = ""\n', "what"),
        (SMALL + '[[clock]]\nwhat = "x"\nafter = "0h"\n', "after"),
        (SMALL + '[[role]]\nname = "a"\nabout = "x"\n' * 2, "twice"),
        (SMALL + '[[role]]\nname = "a"\nabout = "x"\nnations = ["Tunisia"]\n', "DNS name"),
        (SMALL.replace("amber", "pink"), "TLP label"),
        ("format = ", "small.toml"),
        ("\udcff", "small.toml"),
    ],
)
def test_what_is_misspelt_is_refused_and_named(text: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        decode_template(text.encode("utf-8", "surrogateescape"), "small.toml")
    assert said in f"{refused.value.detail} {refused.value.hint}"


def test_what_is_too_long_is_not_even_read() -> None:
    with pytest.raises(UsageError) as refused:
        decode_template(b" " * (MAX_BYTES + 1), "x")
    assert refused.value.code is Code.TOO_LARGE
    with pytest.raises(UsageError) as unknown:
        built_in("../template")
    assert unknown.value.code is Code.NOT_FOUND


def test_spans_are_minutes_hours_and_days() -> None:
    assert [span_ms(span) for span in ("30m", "24h", "14d")] == [HOUR_MS // 2, 24 * HOUR_MS, 14 * 24 * HOUR_MS]
