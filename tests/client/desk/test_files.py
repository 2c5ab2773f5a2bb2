"""Files at the desk: brought and taken by its own page alone, once, whole or not at all, and never as a page."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
import socket
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from dataclasses import dataclass, replace
from email.message import Message
from pathlib import Path
from typing import Any, Final

import pytest
import pyzipper
from starlette.types import Receive, Scope, Send

from amanah_client.desk.download import Download, disposition
from amanah_client.desk.passes import MOST, Passes
from amanah_client.desk.phrases import apart
from amanah_client.files import Announced, prepare
from amanah_client.model import IntentState, MessageState
from amanah_client.saving import PASSWORD
from amanah_client.sdk import Client
from amanah_client.spool import Sealing
from amanah_protocol.content.revision import Correction
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, OperationalError, VerifyError
from amanah_protocol.labels import Label
from amanah_protocol.limits import ATTACHMENT_CHUNK_BYTES, MAX_ATTACHMENT_BYTES
from tests.client.desk.serving import PATIENCE_S
from tests.client.desk.sitting import Sitting, at_the_desk
from tests.client.test_sdk import MA, TN, invited, until
from tests.client.web.asked import ask as ask_app
from tests.end_to_end.nations import Nations

DATA: Final = b"a secret of the gateway " * (ATTACHMENT_CHUNK_BYTES // 8)
SN: Final = "cert.example.sn"
MARKS: Final = {"label": "TLP:AMBER", "pap": "PAP:AMBER", "precedence": "routine"}


@pytest.fixture(scope="module")
def nations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nations]:
    made = Nations(tmp_path_factory.mktemp("nations"), (TN, MA, SN))
    made.relay.start()
    yield made
    made.close()


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back over HTTP."""

    status: int
    headers: Message
    body: bytes
    whole: bool = True


class Handing(Sitting):
    """One who hands files over."""

    @property
    def readers(self) -> str:
        """Whom the page has shown as readers."""
        return str(self.page.told["head"]["readers"]["digest"])

    async def over_http(self, method: str, path: str, body: bytes = b"", /, **headers: str) -> Reply:
        """A request of the page; a header that is "" is left out."""
        named = self.served.own | {"Cookie": self.cookie} | headers

        def asked() -> Reply:
            connection = http.client.HTTPConnection("127.0.0.1", self.served.port, timeout=PATIENCE_S)
            with contextlib.closing(connection):
                connection.request(method, path, body, {name: value for name, value in named.items() if value})
                reply = connection.getresponse()
                try:
                    return Reply(status=reply.status, headers=reply.headers, body=reply.read())
                except http.client.IncompleteRead as cut:
                    return Reply(status=reply.status, headers=reply.headers, body=cut.partial, whole=False)

        return await asyncio.to_thread(asked)

    async def announce(self, **changed: object) -> dict[str, Any]:
        usual = {"name": "capture.pcap", "size": len(DATA), "readers": self.readers, **MARKS}
        return await self.page.ask("bring", room=self.room, **(usual | changed))

    async def bring(self, data: bytes = DATA, **more: Any) -> None:  # noqa: ANN401 - fields of a frame
        announced = await self.announce(size=len(data), **more)
        assert (await self.over_http("POST", announced["data"]["bring"], data)).status == 204

    async def offered(self, entry: str, *, container: bool = False) -> str:
        """Where a file is taken, once all of it is here."""
        answer = await self.page.ask("save", room=self.room, entry=entry, container=container)
        attachment = answer["data"]["attachment"]
        if "take" not in answer["data"]:
            await self.page.until(lambda: self.moves().get(attachment, {}).get("state") == "here")
            answer = await self.page.ask("save", room=self.room, entry=entry, container=container)
        return str(answer["data"]["take"])

    def moves(self) -> dict[str, Any]:
        found: dict[str, Any] = self.page.told["transfers"]
        return found

    async def card(self, name: str) -> dict[str, Any]:
        """The file of this name in the conversation, once it has its place."""
        found = await self.page.until(
            lambda: [one for one in self.page.entries("file") if one["content"]["name"] == name and one["seq"]]
        )
        return dict(found[0])

    def spooled(self) -> list[str]:
        return sorted(path.suffix for path in (self.two.a.profile.home.path / "files").glob("*"))


@pytest.fixture
async def sitting(nations: Nations, request: pytest.FixtureRequest) -> AsyncIterator[Handing]:
    async with at_the_desk(nations, request.node.name, Handing) as made:
        yield made


# ---- in


async def test_what_a_page_brings_reaches_the_others_and_is_on_the_disk_in_no_other_form(
    sitting: Handing, tmp_path: Path
) -> None:
    held = []
    announced = await sitting.announce(text="from the gateway", sample=True)
    await sitting.over_http("POST", announced["data"]["bring"], DATA)
    for path in sitting.two.a.profile.home.path.rglob("*"):
        held += [path.name for mark in (DATA[:24], DATA[-24:]) if path.is_file() and mark in path.read_bytes()]
    assert held == []
    await until(sitting.two.theirs.files)
    (file,) = sitting.two.theirs.files()
    assert file.file is not None
    assert (file.file.name, file.file.text, file.file.sample) == ("capture.pcap", "from the gateway", True)
    assert file.file.digest == sha256(DATA)
    made = await sitting.two.theirs.save(file.message, tmp_path)
    with pyzipper.AESZipFile(made) as archive:
        archive.setpassword(PASSWORD)
        assert archive.read("capture.pcap") == DATA
    await sitting.page.until(lambda: sitting.moves() == {})


async def test_an_empty_file_is_a_file(sitting: Handing) -> None:
    await sitting.bring(b"", name="empty")
    assert (await sitting.card("empty"))["content"]["size"] == 0


@pytest.mark.parametrize(
    ("changed", "why"),
    [({"label": "TLP:RED"}, "ceiling"), ({"size": MAX_ATTACHMENT_BYTES + 1}, "at most"), ({"name": ""}, "not known")],
    ids=["label", "size", "name"],
)
async def test_what_may_not_be_sent_is_refused_before_any_of_it_is_read(
    sitting: Handing, changed: dict[str, object], why: str
) -> None:
    assert (await sitting.announce())["ok"]
    refused = await sitting.announce(**changed)
    assert not refused["ok"]
    assert why in refused["text"]
    assert sitting.two.a.outbox() == ()


async def test_a_file_goes_to_nobody_whom_the_page_did_not_show(sitting: Handing, nations: Nations) -> None:
    refused = await sitting.announce(readers="00" * 32)
    assert "has changed" in refused["text"]
    where = (await sitting.announce())["data"]["bring"]
    async with await Client.open(nations.enrol("a third", SN)) as third:
        await third.online()
        await invited(sitting.two.ours, third.me)
        # Who joined while it was on its way to the program was not shown either.
        assert (await sitting.over_http("POST", where, DATA)).status == 204
        await until(lambda: [one.state for one in sitting.two.a.outbox()] == [IntentState.HELD])
        assert sitting.two.ours.files() == []


async def test_a_file_is_brought_once(sitting: Handing) -> None:
    where = (await sitting.announce())["data"]["bring"]
    assert (await sitting.over_http("POST", where, DATA)).status == 204
    assert (await sitting.over_http("POST", where, DATA)).status == 404
    await sitting.card("capture.pcap")
    assert len(sitting.two.ours.files()) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": ""}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "127.0.0.1"}, 421),
        ({"Cookie": ""}, 403),
        ({"Cookie": "amanah=guessed"}, 403),
    ],
)
async def test_nobody_else_brings_anything(sitting: Handing, headers: dict[str, str], status: int) -> None:
    where = (await sitting.announce())["data"]["bring"]
    assert (await sitting.over_http("POST", where, DATA, **headers)).status == status
    assert sitting.two.a.outbox() == ()
    # The control: but for that header it is taken.
    assert (await sitting.over_http("POST", where, DATA)).status == 204


@pytest.mark.parametrize("data", [DATA[:-1], DATA + b"x"], ids=["less", "more"])
async def test_another_file_than_was_announced_is_not_taken(sitting: Handing, data: bytes) -> None:
    where = (await sitting.announce())["data"]["bring"]
    assert (await sitting.over_http("POST", where, data)).status == 400
    assert sitting.two.a.outbox() == ()
    assert sitting.spooled() == []


async def test_of_a_file_that_was_cut_off_nothing_is_kept(sitting: Handing) -> None:
    where = (await sitting.announce())["data"]["bring"]
    head = {**sitting.served.own, "Cookie": sitting.cookie, "Content-Length": str(len(DATA))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    _reader, writer = await asyncio.open_connection("127.0.0.1", sitting.served.port)
    writer.write(f"POST {where} HTTP/1.1\r\n{lines}\r\n".encode() + DATA[: len(DATA) // 2])
    await writer.drain()
    await until(lambda: ".sealing" in sitting.spooled())
    writer.close()
    await until(lambda: sitting.spooled() == [])
    assert sitting.two.a.outbox() == ()


async def test_where_the_desk_was_locked_meanwhile_nothing_is_kept(sitting: Handing) -> None:
    where = (await sitting.announce())["data"]["bring"]
    head = {**sitting.served.own, "Cookie": sitting.cookie, "Content-Length": str(len(DATA))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", sitting.served.port)
    writer.write(f"POST {where} HTTP/1.1\r\n{lines}\r\n".encode() + DATA[:1000])
    await writer.drain()
    await until(lambda: ".sealing" in sitting.spooled())
    await sitting.over_http("POST", "/lock")
    writer.write(DATA[1000:])
    with contextlib.suppress(OSError):
        await writer.drain()
        assert b"locked" in await reader.read()
    writer.close()
    await until(lambda: sitting.spooled() == [])
    assert sitting.two.a.outbox() == ()


async def test_a_disk_that_is_full_is_told_while_the_browser_still_sends(
    sitting: Handing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_sealing: Sealing, _data: bytes) -> None:
        raise OperationalError(Code.DISK_FULL, "no room is left on the disk")

    monkeypatch.setattr(Sealing, "_seal", full)
    large = DATA * 20
    where = (await sitting.announce(size=len(large)))["data"]["bring"]
    refused = await sitting.over_http("POST", where, large)
    assert (refused.status, b"no room is left" in refused.body) == (422, True)
    assert sitting.two.a.outbox() == ()
    assert sitting.spooled() == []


# ---- out


async def test_a_file_is_taken_once_as_a_file_and_is_what_was_sent(sitting: Handing, tmp_path: Path) -> None:
    source = tmp_path / 'قائمة "x".html'
    source.write_bytes(DATA)
    await sitting.two.theirs.attach(source)
    card = await sitting.card("قائمة _x_.html")
    where = await sitting.offered(card["id"])
    assert card["id"] not in where
    assert sitting.room not in where
    taken = await sitting.over_http("GET", where)
    assert (taken.status, taken.body) == (200, DATA)
    named = "filename*=UTF-8''%D9%82%D8%A7%D8%A6%D9%85%D8%A9%20_x_.html"
    assert taken.headers["Content-Disposition"] == f'attachment; filename="_____ _x_.html"; {named}'
    assert taken.headers["Content-Type"] == "application/octet-stream"
    assert taken.headers["X-Content-Type-Options"] == "nosniff"
    assert taken.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert taken.headers["Cache-Control"] == "no-store"
    assert taken.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert (await sitting.over_http("GET", where)).status == 404
    # What was fetched for it is not kept.
    await until(lambda: sitting.spooled() == [])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Cookie": ""}, 403),
        ({"Cookie": "amanah=guessed"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Host": "127.0.0.1"}, 421),
    ],
)
async def test_nobody_else_takes_anything(sitting: Handing, headers: dict[str, str], status: int) -> None:
    await sitting.bring()
    where = await sitting.offered((await sitting.card("capture.pcap"))["id"])
    refused = await sitting.over_http("GET", where, **headers)
    assert refused.status == status
    assert DATA[:24] not in refused.body
    assert (await sitting.over_http("GET", where)).body == DATA


async def test_who_looks_before_taking_uses_nothing_up(sitting: Handing) -> None:
    await sitting.bring()
    where = await sitting.offered((await sitting.card("capture.pcap"))["id"])
    assert (await sitting.over_http("HEAD", where)).status == 405
    assert (await sitting.over_http("GET", where)).body == DATA


async def test_what_one_session_was_promised_the_next_does_not_get(sitting: Handing) -> None:
    await sitting.bring()
    where = await sitting.offered((await sitting.card("capture.pcap"))["id"])
    await sitting.over_http("POST", "/lock")
    assert (await sitting.over_http("GET", where)).status == 403
    assert DATA[:24] not in (await sitting.over_http("GET", where)).body


@pytest.mark.parametrize(("sample", "container"), [(True, False), (False, True)])
async def test_what_may_be_harmful_leaves_in_a_container_alone(
    sitting: Handing, *, sample: bool, container: bool
) -> None:
    await sitting.bring(name="a.exe", sample=sample)
    where = await sitting.offered((await sitting.card("a.exe"))["id"], container=container)
    taken = await sitting.over_http("GET", where)
    assert 'filename="a.exe.zip"' in taken.headers["Content-Disposition"]
    assert DATA[:24] not in taken.body
    with pyzipper.AESZipFile(io.BytesIO(taken.body)) as archive:
        assert archive.namelist() == ["a.exe"]
        archive.setpassword(PASSWORD)
        assert archive.read("a.exe") == DATA


@pytest.mark.parametrize("sample", [False, True], ids=["bare", "container"])
async def test_a_file_that_is_not_what_its_message_says_is_never_whole_and_is_told(
    sitting: Handing, tmp_path: Path, *, sample: bool
) -> None:
    source = tmp_path / "false.bin"
    source.write_bytes(DATA)
    theirs = sitting.two.theirs
    said = Announced(name="false.bin", sample=sample)
    intent, action = await prepare(theirs, source, said, lambda _done, _of: None)
    await sitting.two.b.ask(replace(action, digest=bytes(32)), intent_id=intent)
    card = await sitting.card("false.bin")
    taken = await sitting.over_http("GET", await sitting.offered(card["id"]))
    assert not taken.whole
    attachment = card["content"]["attachment"]
    await sitting.page.until(lambda: sitting.moves().get(attachment, {}).get("state") == "failed")
    assert "not the one that its message names" in sitting.moves()[attachment]["text"]
    assert sitting.spooled() == []


async def test_what_waits_for_the_relay_is_told_and_goes_on_by_itself(sitting: Handing, nations: Nations) -> None:
    await sitting.bring()
    card = await sitting.card("capture.pcap")
    nations.relay.stop()
    try:
        await sitting.page.until(lambda: not sitting.page.told["line"]["online"])
        await sitting.bring(b"later", name="later.txt")
        answer = await sitting.page.ask("save", room=sitting.room, entry=card["id"])
        attachment = answer["data"]["attachment"]
        await sitting.page.until(lambda: sitting.moves().get(attachment, {}).get("state") == "waiting")
        waiting = await sitting.page.until(lambda: [one for one in sitting.page.entries("file") if not one["seq"]])
        assert waiting[0]["delivery"]["state"] == "queued"
    finally:
        nations.relay.start()
    await sitting.page.until(lambda: sitting.moves().get(attachment, {}).get("state") == "here")
    assert (await sitting.over_http("GET", await sitting.offered(card["id"]))).body == DATA
    await sitting.card("later.txt")


# ---- all of a room


async def test_the_files_of_a_room_stand_in_a_list_until_they_are_erased(sitting: Handing) -> None:
    await sitting.bring(name="one", label="TLP:GREEN")
    await sitting.bring(b"2", name="two", pap="PAP:RED")
    card = await sitting.card("one")
    await sitting.card("two")
    two, one = (await sitting.page.ask("files", room=sitting.room))["data"]
    assert (two["file"]["name"], two["file"]["size"], two["label"]) == ("two", 1, "TLP:AMBER")
    assert (one["file"]["name"], one["label"], one["state"]) == ("one", "TLP:GREEN", "sent")
    assert (two["pap"], one["pap"]) == ("PAP:RED", "")
    assert one["file"]["digest"] == sha256(DATA).hex()
    assert (await sitting.page.ask("erase", room=sitting.room, entry=card["id"]))["ok"]
    await sitting.page.until(lambda: [item for item in sitting.page.entries("gone") if item["id"] == card["id"]])
    _two, one = (await sitting.page.ask("files", room=sitting.room))["data"]
    assert (one["file"], one["state"]) == (None, "erased")
    assert not (await sitting.page.ask("save", room=sitting.room, entry=card["id"]))["ok"]


async def test_of_a_message_its_corrections_alone_are_erased_where_that_is_asked(sitting: Handing) -> None:
    room = sitting.two.ours
    sent = (await room.send("at 14:00")).envelope
    assert sent is not None
    again = (await room.send(Correction(message=sent, text="at 15:00"))).envelope
    assert again is not None
    assert (await sitting.page.ask("erase", room=sitting.room, entry=sent.hex(), corrections=True))["ok"]
    await until(lambda: room.message(again.hex()).state is MessageState.ERASED)
    assert room.message(sent.hex()).text == "at 14:00"
    # Where no correction is left, what was asked for is the message itself.
    assert (await sitting.page.ask("erase", room=sitting.room, entry=sent.hex(), corrections=True))["ok"]
    await until(lambda: room.message(sent.hex()).state is MessageState.ERASED)


async def test_a_file_that_its_label_keeps_back_is_kept_as_refused_and_rouses_nobody(sitting: Handing) -> None:
    ours = sitting.two.ours
    await sitting.bring()
    await sitting.page.until(lambda: sitting.page.entries("file"))
    assert sitting.page.told["alarms"] == []  # what is sent is no event
    assert not (await sitting.announce(name="berth.pcap", label="TLP:RED"))["ok"]
    (told,) = await sitting.page.until(lambda: sitting.page.told["alarms"])
    assert (told["own"], told["code"], told["room"]) == (True, "LABEL", sitting.room)
    assert told["text"].startswith("Refused on this device, and not sent: a file: TLP:RED is above")
    assert "berth" not in str(told)
    assert (len(ours.refused()), ours.alarms()) == (1, [])


# ---- reports


@pytest.mark.parametrize(("form", "begins"), [("markdown", b"#"), ("html", b"<!"), ("pdf", b"%PDF-")])
async def test_a_report_is_taken_as_a_file(sitting: Handing, form: str, begins: bytes) -> None:
    made = await sitting.page.ask("report", room=sitting.room, form=form, label="TLP:AMBER")
    taken = await sitting.over_http("GET", made["data"]["take"])
    assert taken.body.lstrip().startswith(begins)
    assert taken.headers["Content-Disposition"].startswith('attachment; filename="report-')
    assert taken.headers["Content-Type"] == "application/octet-stream"
    assert (await sitting.over_http("GET", made["data"]["take"])).status == 404
    assert made["data"]["recorded"] == "That it was made is recorded in the room as soon as the relay has taken it."
    taken_out = f"({made['data']['label']}, {form})"
    said = f"took out a report of the room, for cert.example.tn {taken_out}"
    await sitting.page.until(lambda: said in str(list(sitting.page.items.values())))


@pytest.mark.parametrize("notice", ["24h", "72h", "month"])
async def test_a_draft_of_a_notice_is_taken_as_a_file(sitting: Handing, notice: str) -> None:
    made = await sitting.page.ask("report", room=sitting.room, form="markdown", label="TLP:AMBER", notice=notice)
    taken = await sitting.over_http("GET", made["data"]["take"])
    assert b"Draft" in taken.body
    assert f'filename="notice-{notice}-' in taken.headers["Content-Disposition"]


async def test_a_report_has_nothing_above_its_label(sitting: Handing) -> None:
    await sitting.two.theirs.send("for all", label=Label.GREEN)
    await sitting.two.theirs.send("for few", label=Label.AMBER)
    await sitting.page.until(lambda: len(sitting.page.said()) == 2)

    async def text(label: str) -> str:
        made = await sitting.page.ask("report", room=sitting.room, form="markdown", label=label)
        return (await sitting.over_http("GET", made["data"]["take"])).body.decode()

    assert "for few" in await text("TLP:AMBER")
    green = await text("TLP:GREEN")
    assert "for all" in green
    assert "for few" not in green
    assert "above the label asked for" in green


# ---- the parts


@pytest.mark.parametrize(
    "name",
    [
        'a".html; filename="b.exe', "a\r\nSet-Cookie: x=y", "../../etc/passwd", "..\\..\\a.lnk", "gnp\u202eexe.",
        "%2e%2e%2fa", "x" * 255, "\u2066a\u2069", "\u0627" * 255, "'; filename*=UTF-8''b", "\ud800", "CON", ".bashrc",
        "-rf",
    ],
)  # fmt: skip
def test_a_name_ends_where_it_ends(name: str) -> None:
    made = disposition(name)
    assert made.isascii()
    assert made.isprintable()
    parsed = Message()
    parsed["Content-Disposition"] = made
    assert parsed.get_content_disposition() == "attachment"
    assert [key for key, _ in parsed.get_params([], "Content-Disposition")] == [
        "attachment", "filename", "filename",
    ]  # fmt: skip
    assert made.count('"') == 2
    for forbidden in ("/", "\\", "%2e", "%2F", "%E2%80%AE", "%0A"):
        assert forbidden not in made.partition("; filename*=")[2]
    assert len(made) < 1000


def test_no_word_of_the_page_stands_in_for_another() -> None:
    assert apart({"a": "1"}, {"b": "2"}) == {"a": "1", "b": "2"}
    with pytest.raises(ValueError, match="one name: a"):
        apart({"a": "1"}, {"a": "2"})


def test_a_pass_is_for_one_session_and_once() -> None:
    names = iter(range(1_000))
    passes: Passes[str] = Passes(lambda length: next(names).to_bytes(length))
    name = passes.give("mine", "file")
    assert passes.take("other", name) is None
    assert passes.take("mine", "guessed") is None
    assert passes.take("mine", name) == "file"
    assert passes.take("mine", name) is None
    first = passes.give("mine", "oldest")
    last = [passes.give("mine", "newer") for _ in range(MOST)][-1]
    assert passes.take("mine", first) is None
    assert passes.take("mine", last) == "newer"


@pytest.mark.parametrize(("ends", "whole"), [(lambda: True, True), (lambda: False, False)], ids=["open", "locked"])
async def test_a_download_ends_with_the_session(ends: Callable[[], bool], *, whole: bool) -> None:
    told: list[object] = []
    download = Download("a", iter([b"one", b"two"]), size=6, goes_on=ends, ended=told.append)
    reply = await ask_app(download)
    assert (reply.body == b"onetwo") is whole
    assert told == ([None] if whole else [])


async def test_a_download_that_does_not_hold_is_told_and_not_ended() -> None:
    problem = VerifyError(Code.CONTENT_HASH, "altered")

    def pieces() -> Iterator[bytes]:
        yield b"one"
        raise problem

    told: list[object] = []
    assert (await ask_app(Download("a", pieces(), size=None, ended=told.append))).body == b"one"
    assert told == [problem]


async def test_a_download_that_the_browser_breaks_off_was_not_given() -> None:
    gone, sent = asyncio.Event(), []

    def pieces() -> Iterator[bytes]:
        yield b"one"
        loop.call_soon_threadsafe(gone.set)
        yield b"two"

    async def receive() -> dict[str, object]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, object]) -> None:
        sent.append(message.get("body"))

    loop, told = asyncio.get_running_loop(), list[object]()
    await Download("a", pieces(), size=6, ended=told.append)({"type": "http"}, receive, send)
    assert sent[-1] != b""
    assert told == []


async def test_what_was_fetched_for_a_browser_that_goes_midway_is_saved_anew_at_once(
    sitting: Handing, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, give, ended = DATA * 20, Download.__call__, asyncio.Event()

    async def noted(download: Download, scope: Scope, receive: Receive, send: Send) -> None:
        await give(download, scope, receive, send)
        ended.set()

    monkeypatch.setattr(Download, "__call__", noted)
    await sitting.bring(large)
    card = await sitting.card("capture.pcap")
    where = await sitting.offered(card["id"])
    with socket.socket() as browser:
        # So little is taken ahead that most of it is still to be sent when the browser goes.
        browser.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        browser.connect(("127.0.0.1", sitting.served.port))
        head = sitting.served.own | {"Cookie": sitting.cookie}
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        browser.sendall(f"GET {where} HTTP/1.1\r\n{lines}\r\n".encode())
        assert await asyncio.to_thread(browser.recv, 12) == b"HTTP/1.1 200"
    await asyncio.wait_for(ended.wait(), PATIENCE_S)
    answer = await sitting.page.ask("save", room=sitting.room, entry=card["id"], container=False)
    assert (await sitting.over_http("GET", answer["data"]["take"])).body == large
    await until(lambda: sitting.spooled() == [])
