"""What pages say of grants, granted reads, holds and erasures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from amanah_client.audit.retention import Retention
from amanah_protocol.cose import Typ
from amanah_protocol.custody.erasures import Cause
from amanah_protocol.custody.holds import decode_hold, release_document
from amanah_protocol.types import RoomId
from tests.client.audit.custodian import Held, forgotten, parties, signed
from tests.client.audit.world import AUDITOR_TN, MA, OFFICER_TN, SECOND_TN, TN
from tests.client.console.conftest import MakeSite
from tests.client.console.site import Site
from tests.client.console.told import HOSTILE, auditor, tell

_PURPOSE = "".join(one for one in HOSTILE if one.isprintable())


class Kept:
    """A console, and where each entry of custody stands."""

    def __init__(self, folder: Path) -> None:
        held, told = Held(), tell(8)
        held.log = told.log
        held.found = replace(held.found, log=told.log, room=told.room, small=told.hostile, hidden=told.hidden)
        self.held = held
        grant, hold = held.grant(*parties(MA), of=MA, auditor=TN, rooms=(), purpose=_PURPOSE), held.hold()
        self.grant = held.put(grant)
        self.read = held.read(AUDITOR_TN)
        self.hold = held.put(hold) + 1
        self.released = held.put(
            decode_hold(signed(release_document(hold, now_ms=held.log.now_ms), Typ.LEGAL_HOLD, *parties(TN)).encode())
        )
        self.erasure = held.erasure(5, cause=Cause.RELAY)
        self.forgotten = forgotten(held)
        self.site = Site(auditor(folder / "home", told), folder)
        self.site.console.verify()
        self.site.console.wait()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    made = Kept(tmp_path_factory.mktemp("custody"))
    yield made
    made.site.console.profile.close()


async def test_each_entry_of_custody_has_a_page_that_says_what_it_is(kept: Kept) -> None:
    assert kept.site.examined.report.faults == 0
    room = kept.held.found.room.hex()[:8]
    for index, said in (
        (kept.grant, "An audit grant, or the end of one"),
        (kept.grant, f"{MA} lets auditors of {TN} read until"),
        (kept.read, "An auditor read the log: a signed order of which entries."),
        (kept.read, "under grant 67676767"),
        (kept.hold, f"A legal hold, or its release: what has to stay. 68686868: {TN} holds 1 room"),
        (kept.hold, f"In the custody of room {room}"),
        (kept.released, f"{TN} releases 1 room"),
        (kept.erasure, "the relay dropped 1 content: the relay's configuration"),
        (kept.forgotten, f"{TN} forgot the name of {OFFICER_TN.certificate.subject.hex()[:8]}"),
    ):
        page = await kept.site.said(f"/entry/{index}")
        assert said in page, (index, page)
        assert "control stream" not in page
        assert "DOES NOT HOLD" not in page


async def test_what_a_grant_is_for_is_text_on_a_page(kept: Kept) -> None:
    for path in (f"/entry/{kept.grant}", "/question/audits?ask=1"):
        page = (await kept.site.ask(path)).text
        assert "<script>alert" not in page
        assert "alert(1)" in page


async def test_the_page_on_retention_says_what_was_erased_why_and_what_is_held(kept: Kept) -> None:
    said = await kept.site.said("/retention")
    assert "The content of 1 entry was erased" in said
    assert "the relay's configuration" in said
    assert "longer than" not in said
    assert "1 legal hold" in said
    assert f"released, entry {kept.released}" in said
    assert SECOND_TN.certificate.subject.hex()[:8] not in said
    assert OFFICER_TN.certificate.subject.hex()[:8] in said
    policy = "No room here has a policy: the relay's configuration decides, which is not in the log."
    assert said.index(policy) < said.index("The content of 1 entry was erased")
    assert "That erased content is really gone is the relay's word alone" in said


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (True, ("1 room has no policy", "In 1 room with a policy nothing is there longer than it allows")),
        (False, ("Nothing is there longer than its room's policy allows",)),
    ],
)
async def test_only_of_rooms_with_a_policy_it_is_said_that_nothing_is_there_longer(
    make_site: MakeSite,
    monkeypatch: pytest.MonkeyPatch,
    others: bool,  # noqa: FBT001 - a parameter of the test
    said: tuple[str, ...],
) -> None:
    without = (RoomId(bytes(16)),) if others else ()
    found = Retention(
        as_of_ms=1, gone=(), overdue=(), holds=(), forgotten=(),
        with_policy=(RoomId(b"p" * 16),), without_policy=without,
    )  # fmt: skip
    monkeypatch.setattr("amanah_client.console.views.retention", lambda _: found)
    page = await make_site().said("/retention")
    assert all(one in page for one in said)
    assert "No room here has a policy" not in page


async def test_the_question_who_audited_has_a_page(kept: Kept) -> None:
    said = await kept.site.said("/question/audits?ask=1")
    assert "under grant 67676767" in said
