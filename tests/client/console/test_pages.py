"""What each page of the console says, over an honest copy."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html import escape

import pytest

from amanah_client.audit.questions.registry import QUESTIONS
from amanah_client.audit.record import Record, Report
from amanah_client.audit.report import Entry, Stamped
from amanah_client.audit.stamps import Stamps, State
from amanah_client.console.entries import Row, rows
from amanah_client.console.state import Examined
from amanah_client.moments import moment
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.labels import Label
from tests.client.audit.world import AUDITOR_TN, MA, NOW_MS, OFFICER_MA, OFFICER_SN, SN, TN
from tests.client.console.conftest import MakeSite
from tests.client.console.site import Site
from tests.client.console.told import HOSTILE, HOUR_MS, TOLD

EVERY = (
    "/", "/entries", "/rooms", "/nations", "/devices", "/findings", "/plots", "/retention", "/questions",
    f"/entry/{TOLD.message}", f"/room/{TOLD.room.hex()}", f"/room/{TOLD.hostile.hex()}", f"/nation/{SN}",
    f"/device/{OFFICER_SN.id.hex()}", *(f"/question/{name}?ask=1" for name in QUESTIONS),
)  # fmt: skip


@pytest.mark.parametrize("path", EVERY)
async def test_every_page_begins_with_the_verification_state_in_words(honest: Site, path: str) -> None:
    reply = await honest.ask(path)
    assert reply.status in {200, 400}
    head = reply.text[: reply.text.index("<main")]
    said = " ".join(re.sub(r"<[^>]*>", "", head).split())
    assert f"Log verified to {TOLD.log.size}, cosigned by 3 of 4 witnesses at 2026-09-" in said
    assert "DOES NOT HOLD" not in said


async def test_the_overview_says_what_was_verified_and_what_was_not(honest: Site) -> None:
    said = await honest.said("/")
    assert "Origin relay.example/log" in said
    assert f"Root {TOLD.log.root.hex()}" in said
    assert "Held against the rosters that this profile trusts" in said
    assert "CERT of Dakar" in said
    assert "4 bare hashes" in said
    assert "no checkpoint of this record carries one" in said
    assert "neither the relay nor an auditor can read them" in said
    assert "only the room's members know its head" in said


# ---- entries


async def test_entries_are_listed_in_pages_by_key(honest: Site) -> None:
    seen: list[int] = []
    path = "/entries"
    for _ in range(20):
        page = (await honest.ask(path)).text
        seen += [
            int(index) for index in re.findall(r'<th scope="row" class="num"><a class="num" href="/entry/(\d+)"', page)
        ]
        following = re.search(r'rel="next" href="([^"]+)"', page)
        if following is None:
            break
        path = following[1].replace("&amp;", "&")
    expected = honest.entries()
    assert seen == expected


async def test_a_page_leads_back_and_to_both_ends(honest: Site) -> None:
    last = (await honest.ask("/entries?before=999999999999999999")).text
    assert 'rel="next"' not in last
    back = re.search(r'rel="prev" href="([^"]+)"', last)
    assert back is not None
    page = (await honest.ask(back[1].replace("&amp;", "&"))).text
    assert 'rel="next"' in page
    assert 'rel="prev"' in page
    first = (await honest.ask("/entries")).text
    assert 'rel="prev"' not in first


FILTERED: list[tuple[str, Callable[[Entry], bool]]] = [
    ("kind=alert", lambda entry: entry.kind.name == "ALERT"),
    ("label=TLP%3AGREEN", lambda entry: entry.label.text == "TLP:GREEN"),
    (f"room={TOLD.hostile.hex()[:8]}", lambda entry: entry.room == TOLD.hostile),
    (f"sender={OFFICER_MA.id.hex()[:10]}", lambda entry: entry.sender.device == OFFICER_MA.id),
    (f"nation={SN}", lambda entry: entry.sender.organisation == SN or SN in dict(entry.readers)),
    ("from=2026-09-23&to=2026-09-24", lambda entry: 1790121600000 <= entry.accepted_at_ms < 1790208000000),
    (f"nation={MA}&kind=ack", lambda entry: entry.kind.name == "ACK" and MA in dict(entry.readers)),
    ("faults=yes", lambda _: False),
]


@pytest.mark.parametrize(("query", "wanted"), FILTERED, ids=[query for query, _ in FILTERED])
async def test_the_address_says_which_entries_are_wanted(
    honest: Site, query: str, wanted: Callable[[Entry], bool]
) -> None:
    expected = honest.entries(wanted)
    page = (await honest.ask(f"/entries?{query}")).text
    found = [
        int(index) for index in re.findall(r'<th scope="row" class="num"><a class="num" href="/entry/(\d+)"', page)
    ]
    assert found == expected[:100]
    count = f"{len(expected)} entr" if expected else "No entry in scope is like that"
    assert count in page


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("kind=nonsense", "is not a kind"),
        ("label=nonsense", "is not a TLP label"),
        ("room=ffffffff", "no room in scope begins with"),
        ("room=zz", "is no beginning of an id"),
        ("sender=ffffffff", "speaks of no device"),
        ("nation=cert.example.zz", "does not speak of"),
        ("nation=no%20name", "is not a DNS name"),
        ("from=yesterday", "is not a time"),
    ],
)
async def test_a_filter_that_cannot_be_read_is_said_and_shows_no_entry(honest: Site, query: str, said: str) -> None:
    page = await honest.said(f"/entries?{query}", 400)
    assert said in page
    assert "amanah audit prove" not in page


async def test_each_row_has_a_permalink_a_state_and_a_command(honest: Site) -> None:
    page = (await honest.ask("/entries?kind=alert")).text
    rows = re.findall(r"<tr>.*?</tr>", page[page.index('class="stack entries"') :], re.DOTALL)[1:]
    assert len(rows) > 10
    for row in rows:
        index = re.search(r'href="/entry/(\d+)"', row)
        assert index is not None
        assert ">verified<" in row
        assert f'href="/entry/{index[1]}#proof"' in row
        assert f"amanah audit prove {index[1]} --out {index[1]}.tlog-proof --home auditor" in row


async def test_a_histogram_and_its_table_count_the_same(honest: Site) -> None:
    page = (await honest.ask("/entries?kind=message")).text
    table = page[page.index("The same as a table") : page.index('class="stack entries"')]
    counts = [int(count) for count in re.findall(r'</th><td class="num">(\d+)</td>', table)]
    total = len(honest.entries(lambda entry: entry.kind.name == "MESSAGE"))
    assert sum(counts) == total
    assert f"{total} entries, accepted from" in text(page)


async def test_the_times_above_a_histogram_are_those_of_the_first_and_the_last_entry(honest: Site) -> None:
    entries = [entry for entry in honest.examined.record.entries() if entry.kind.name == "MESSAGE"]
    times = [entry.accepted_at_ms for entry in entries]
    said = text((await honest.ask("/entries?kind=message")).text)
    assert f"accepted from {moment(min(times))} to {moment(max(times))}; a bar is" in said
    assert moment(min(times) // HOUR_MS * HOUR_MS) not in said[said.index("accepted from") : said.index("a bar is")]


@pytest.mark.parametrize(("size_class", "label"), [(0, Label.CLEAR), (1, Label.CLEAR), (0, Label.GREEN)])
async def test_the_lowest_label_is_explained_where_an_entry_without_content_has_it(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch, size_class: int, label: Label
) -> None:
    made = rows

    def shown(examined: Examined, entries: list[Entry]) -> tuple[Row, ...]:
        first, *_ = made(examined, entries)
        return (replace(first, entry=replace(first.entry, size_class=size_class, label=label)),)

    monkeypatch.setattr("amanah_client.console.entries.rows", shown)
    said = await make_site().said("/entries")
    explained = "it may say TLP:CLEAR in a room of any label" in said
    assert explained == ((size_class, label) == (0, Label.CLEAR))


async def test_a_bar_leads_to_its_entries(honest: Site) -> None:
    page = (await honest.ask("/entries")).text
    bar = re.search(
        r'<th scope="row"><a href="([^"]+)"><time[^>]*>[^<]*</time></a></th><td class="num">(\d+)</td>', page
    )
    assert bar is not None
    assert f"{bar[2]} entr" in await honest.said(bar[1].replace("&amp;", "&"))


def text(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", "", page).split())


# ---- one entry


async def test_an_entry_keeps_three_times_apart(honest: Site) -> None:
    said = await honest.said(f"/entry/{TOLD.message}")
    assert "Claimed 2026-09-21 23:14:00Z The sender's device" in said
    assert "Accepted 2026-09-21 23:14:00Z the same The relay" in said
    assert "Witnessed not before the beginning , not after 2026-09-22 " in said


@pytest.mark.parametrize(
    ("late_ms", "said"),
    [
        (0, "the same The relay"),
        (999, "less than 1 s after it was claimed The relay"),
        (-999, "less than 1 s before it was claimed The relay"),
        (1000, "1 s after it was claimed The relay"),
        (-2000, "2 s before it was claimed The relay"),
    ],
)
async def test_how_late_an_entry_was_accepted_is_said(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch, late_ms: int, said: str
) -> None:
    made = rows

    def late(examined: Examined, entries: list[Entry]) -> tuple[Row, ...]:
        return tuple(
            replace(row, entry=replace(row.entry, sent_at_ms=row.entry.accepted_at_ms - late_ms))
            for row in made(examined, entries)
        )

    monkeypatch.setattr("amanah_client.console.entries.rows", late)
    assert f"Z {said}" in await make_site().said(f"/entry/{TOLD.message}")


async def test_time_stamps_are_shown_with_the_authority_and_what_they_are_worth(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = (("tsa.example", State.HOLDS, 2), ("<b>tsa</b>", State.FAILS, 1))

    def examined_stamps(_: object, report: Report, *_more: object, **_options: object) -> tuple[Report, Stamps]:
        return report, Stamps(counts=counts, checkpoints=2, size=200)

    monkeypatch.setattr("amanah_client.audit.local.examined_stamps", examined_stamps)
    monkeypatch.setattr(Record, "stamped", lambda *_: (Stamped("tsa.example", NOW_MS),))
    site = make_site()
    said = await site.said("/")
    assert "2 by tsa.example : holds" in said
    assert "1 by <b>tsa</b> : does not hold" in said
    assert "Stamped not after 2026-09-21 14:13:20Z A time-stamping authority: tsa.example" in await site.said(
        "/entry/20"
    )


async def test_an_entry_shows_its_readers_and_what_speaks_of_it(honest: Site) -> None:
    said = await honest.said(f"/entry/{TOLD.message}")
    assert "Who could read it MA 1 SN 1 TN 2" in said
    assert "acknowledged" in said
    assert "disclosed" in said
    assert f"/question/who-could-read?message={TOLD.message}" in (await honest.ask(f"/entry/{TOLD.message}")).text


async def test_an_entry_shows_its_proof_and_how_to_check_it(honest: Site) -> None:
    said = await honest.said(f"/entry/{TOLD.message}")
    assert f"Leaf hash {TOLD.log.leaves[TOLD.message].hash.hex()}" in said
    assert "leads to the root over 9 hashes" in said
    assert f"amanah audit prove {TOLD.message} --out {TOLD.message}.tlog-proof --home auditor" in said
    assert f"amanah audit check {TOLD.message}.tlog-proof --home auditor" in said
    assert TOLD.log.leaves[TOLD.message].encode().hex() in said


@pytest.mark.parametrize(
    ("index", "what"),
    [
        (0, "An entry of the control stream, which everybody sees: roster"),
        (4, "An entry of the control stream, which everybody sees: certificate TN officer"),
        (next(row.index for row in TOLD.rows() if row.entry is None), "A bare hash: this entry is out of scope"),
        (
            next(row.index for row in reversed(TOLD.rows()) if row.entry and row.entry[2] not in {1, 2, 3, 4, 5}),
            "An auditor read the log",
        ),
    ],
)
async def test_every_leaf_has_a_page_with_its_proof(honest: Site, index: int, what: str) -> None:
    said = await honest.said(f"/entry/{index}")
    assert what in said
    assert "leads to the root over" in said


# ---- rooms, nations, devices


async def test_a_room_shows_its_circle_over_time(honest: Site) -> None:
    page = (await honest.ask(f"/room/{TOLD.room.hex()}")).text
    said = text(page)
    assert "TN-MA-SN 2026-11" in said
    assert len(re.findall(r'<rect class="bar" x="[\d.]+" y="[\d.]+" width="[\d.]+" height="18"', page)) == 4
    assert "then in it" in page
    assert "MA 1" in said


async def test_a_nation_shows_its_devices_rooms_and_speed(honest: Site) -> None:
    said = await honest.said(f"/nation/{MA}")
    assert "2 devices , in 1 room ," in said or "2 devices, in 1 room" in said
    assert "It acknowledged" in said
    assert TOLD.room.hex()[:8] in said


async def test_a_nation_without_a_word_is_said_to_have_none(honest: Site) -> None:
    assert "revoked" in (await honest.said(f"/device/{OFFICER_SN.id.hex()}")).lower()
    assert "It was in no room of this scope" in await honest.said(f"/device/{AUDITOR_TN.id.hex()}")


async def test_a_device_in_wrong_hands_is_unmistakable(honest: Site) -> None:
    assert "Its key was in wrong hands" in await honest.said(f"/device/{OFFICER_SN.id.hex()}")
    late = await honest.said(f"/entries?sender={OFFICER_SN.id.hex()}&from=2026-09-28")
    assert "verified, but the key was in wrong hands by then" in late


async def test_the_plots_have_their_numbers_beside(honest: Site) -> None:
    page = (await honest.ask("/plots")).text
    messages = honest.entries(
        lambda entry: (
            entry.kind.name in {"MESSAGE", "ALERT"} and entry.sender.organisation == TN and SN in dict(entry.readers)
        )
    )
    rows = re.findall(r'<tr><th scope="row"><a class="nat"[^>]*>(\w+)</a></th>(.*?)</tr>', page)
    of = {name: re.findall(r'<td class="num">([^<]*)</td>', cells) for name, cells in rows[:3]}
    assert int(of["TN"][1]) == len(messages)
    assert page.count('role="img"') == 3
    assert "who acknowledged, and who not" in page


# ---- questions and search


@pytest.mark.parametrize("name", list(QUESTIONS))
async def test_every_question_has_a_form_for_its_parameters(honest: Site, name: str) -> None:
    page = (await honest.ask(f"/question/{name}")).text
    assert QUESTIONS[name].sentence in page
    for parameter, described in QUESTIONS[name].parameters.items():
        assert f'name="{parameter}"' in page
        label = "Since (UTC)" if parameter == "since" else parameter.capitalize()
        assert f'<label for="p-{parameter}">{label}' in page
        hint = escape(described.help).replace("&#x27;", "&#39;")
        assert f'id="h-{parameter}">{hint}<' in page


ASKED = {
    "nation": SN, "room": TOLD.room.hex()[:8], "message": str(TOLD.message), "entry": str(TOLD.message),
    "device": OFFICER_SN.id.hex()[:12],
}  # fmt: skip


@pytest.mark.parametrize("name", list(QUESTIONS))
async def test_every_question_is_answered_with_its_range_and_its_limits(honest: Site, name: str) -> None:
    given = "&".join(f"{key}={ASKED[key]}" for key in QUESTIONS[name].required)
    if name == "not-given":
        given = f"message={TOLD.message}&nation={SN}"
    said = await honest.said(f"/question/{name}?ask=1&{given}")
    assert "This speaks for the entries 0 to" in said
    assert f"amanah audit ask {name}" in said
    assert "What this answer cannot say" in said


async def test_a_question_that_lacks_something_says_so(honest: Site) -> None:
    assert "Fill in: Message." in await honest.said("/question/who-could-read?ask=1", 400)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("ask=1", ("of: Message, Room, Label.", "of: Nation, Device.")),
        (f"message={TOLD.message}", ("of: Nation, Device.",)),
        (f"nation={SN}", ("of: Message, Room, Label.",)),
        (f"nation={SN}&message={TOLD.message}&label=TLP:RED", ("of: Message, Room, Label.",)),
    ],
)
async def test_a_question_that_needs_one_of_several_fields_names_them(
    honest: Site, given: str, said: tuple[str, ...]
) -> None:
    page = await honest.said(f"/question/not-given?{given}", 400)
    assert [part for part in page.split("Fill in exactly one ")[1:] if not part.startswith(said)] == []
    assert page.count("Fill in exactly one ") == len(said)
    assert "--message" not in page
    assert "optional" not in page


async def test_an_answers_columns_are_headed_as_those_of_other_tables(honest: Site) -> None:
    page = (await honest.ask("/question/membership?ask=1")).text
    headings = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', page)
    assert len(headings) > 3
    assert all(heading[0].isupper() for heading in headings)


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        (str(TOLD.message), f"/entry/{TOLD.message}"),
        (TOLD.envelope.hex()[:12], f"/entry/{TOLD.message}"),
        (TOLD.room.hex()[:10], f"/room/{TOLD.room.hex()}"),
        (MA, f"/nation/{MA}"),
        (OFFICER_SN.id.hex()[:12], f"/device/{OFFICER_SN.id.hex()}"),
    ],
)
async def test_the_search_leads_to_the_one_thing_that_was_meant(honest: Site, wanted: str, place: str) -> None:
    reply = await honest.ask(f"/search?q={wanted}")
    assert (reply.status, reply.headers.get("location")) == (303, place)


async def test_what_is_not_found_is_said_and_stays_in_the_box(honest: Site) -> None:
    reply = await honest.ask("/search?q=%22%3E%3Cb%3Enothing")
    assert reply.status == 404
    assert 'value="&#34;&gt;&lt;b&gt;nothing"' in reply.text


async def test_a_receipt_that_the_log_does_not_keep_is_unmistakable(honest: Site) -> None:
    said = await honest.said("/search?q=" + "ab" * 200)
    assert "DOES NOT HOLD" in said


# ---- what is not there


@pytest.mark.parametrize(
    "path",
    [
        "/entry/99999", "/entry/x", "/entry/-1", "/room/ff", f"/room/{'0' * 32}", "/room/zz", "/device/ff",
        f"/device/{'0' * 64}", "/nation/cert.example.zz",
    ],
)  # fmt: skip
async def test_what_is_not_in_the_record_is_said(honest: Site, path: str) -> None:
    assert "This cannot be shown" in await honest.said(path, 404)


async def test_a_malformed_name_is_said(honest: Site) -> None:
    assert "This cannot be shown" in await honest.said("/nation/no.", 400)
    assert "is not a question" in await honest.said("/question/nonsense", 400)


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/entries/", 404), ("/verify", 405)])
async def test_there_is_no_such_page(honest: Site, path: str, status: int) -> None:
    assert "There is no such page" in await honest.said(path, status)


# ---- strings that bite


@pytest.mark.parametrize(
    "path",
    [
        "/", "/rooms", f"/room/{TOLD.hostile.hex()}", f"/entries?room={TOLD.hostile.hex()}",
        "/question/left-circle?ask=1", "/question/membership?ask=1", f"/search?q={TOLD.hostile.hex()}",
    ],
)  # fmt: skip
async def test_what_others_wrote_stays_text(honest: Site, path: str) -> None:
    page = (await honest.ask(path)).text
    assert "<img src=x" not in page
    assert "<script>" not in page
    assert "<b>code</b>" not in page
    assert "\u202e" not in page


async def test_hostile_strings_are_shown_as_they_are_written(honest: Site) -> None:
    assert HOSTILE.replace("\u202e", "<202E>") in await honest.said("/rooms")


# ---- before and beside a verified copy


async def test_nothing_is_shown_before_it_is_verified(make_site: MakeSite) -> None:
    site = make_site(verified=False)
    for path in ("/", f"/entry/{TOLD.message}", "/entries"):
        reply = await site.ask(path)
        assert "Verifying the copy" in reply.text
        assert reply.headers["refresh"] == "2"
        assert "cert.example.ma" not in reply.text


async def test_verifying_again_begins_anew(make_site: MakeSite) -> None:
    site = make_site()
    reply = await site.ask("/verify", method="POST")
    assert (reply.status, reply.headers["location"]) == (303, "/")
    site.console.wait()
    assert "Log verified to" in await site.said("/")


async def test_a_copy_that_is_not_there_is_said_with_what_to_do(make_site: MakeSite) -> None:
    site = make_site(verified=False)
    site.console.profile.store.copy.forget()
    site.console.verify()
    site.console.wait()
    said = await site.said("/")
    assert "there is no whole copy of the log here" in said
    assert "amanah audit sync" in said


async def test_a_fault_of_the_program_is_shown_and_not_hidden(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        message = "as this test wants it"
        raise RuntimeError(message)

    monkeypatch.setattr("amanah_client.console.state.examine_copy", fail)
    site = make_site()
    assert "fault of the program" in await site.said("/")


async def test_an_unusual_refusal_is_a_page_too(honest: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise UsageError(Code.USAGE, "as this test wants it")

    monkeypatch.setattr("amanah_client.console.plots.matrix", fail)
    assert "as this test wants it" in await honest.said("/plots", 400)
