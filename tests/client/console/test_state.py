"""The verification state: what takes over the head of every page, and what only stands there."""

from __future__ import annotations

import re

import pytest
from msgspec import structs

from amanah_client import effects as e
from amanah_client.audit.report import Severity
from amanah_client.console.state import Standing, head_of
from amanah_client.log_rows import ConflictRow, Quorum
from tests.client.console.conftest import MakeSite
from tests.client.console.site import Site
from tests.client.console.told import TOLD

EVERY = ("/", "/entries", "/rooms", "/findings", "/plots", "/questions", "/search?q=zzzz", "/nothing", "/entry/3")


@pytest.mark.parametrize("path", EVERY)
async def test_a_tampered_entry_takes_over_the_head_of_every_page(broken: Site, path: str) -> None:
    page = (await broken.ask(path)).text
    head = page[: page.index("<main")]
    assert "THE RECORD DOES NOT HOLD" in head
    assert 'role="alert"' in head
    assert f'<a href="/entry/{TOLD.message}">{TOLD.message}</a>' in head
    said = " ".join(re.sub(r"<[^>]*>", "", head).split())
    assert f"First bad entry {TOLD.message}: the entry is not the one whose hash stands in the log" in said
    assert "amanah audit export evidence.amanah --home auditor" in said
    assert "What to do." in head
    before = f"What stands before entry {TOLD.message} holds. Rely on nothing in it from entry {TOLD.message} on"
    assert before in said
    assert "<title>DOES NOT HOLD: " in page
    assert "Log verified to" not in page


async def test_the_tampered_entry_itself_says_so(broken: Site) -> None:
    said = await broken.said(f"/entry/{TOLD.message}")
    assert "THIS ENTRY DOES NOT STAND IN THE LOG AS IT IS HERE." in said
    assert "Path does not hold" in said


async def test_what_has_no_proof_offers_no_command_that_can_only_fail(broken: Site) -> None:
    said = await broken.said(f"/entry/{TOLD.message}")
    proof = said[said.rindex("Check it yourself") :]
    assert proof.startswith("Check it yourself amanah audit verify --home auditor")
    assert "--out" not in proof
    row = await broken.said("/entries?faults=yes")
    assert "check it yourself amanah audit verify --home auditor" in row
    assert "amanah audit prove" not in row
    assert "amanah audit prove 3 --out 3.tlog-proof --home auditor" in await broken.said("/entry/3")


async def test_a_remark_is_explained_where_one_is(honest: Site, broken: Site) -> None:
    for site in (honest, broken):
        remarks = any(found.severity is Severity.REMARK for found in site.examined.report.findings)
        assert ("A remark is no fault" in await site.said("/findings")) == remarks
    assert "that holds" not in await broken.said("/findings")


async def test_what_was_found_is_listed_and_marked(broken: Site) -> None:
    said = await broken.said("/findings")
    assert f"FAULT entry {TOLD.message}" in said
    rows = await broken.said("/entries?faults=yes")
    assert "DOES NOT HOLD GAP" in rows


async def test_a_missing_entry_takes_over_the_head(make_site: MakeSite) -> None:
    rows = TOLD.rows()
    gone = next(index for index in range(TOLD.message + 20, TOLD.log.size) if rows[index].entry)
    rows[gone] = structs.replace(rows[gone], entry=None)
    said = await make_site(rows=rows).said("/")
    assert "THE RECORD DOES NOT HOLD" in said


async def test_a_fault_of_the_whole_record_takes_over_the_head(make_site: MakeSite) -> None:
    rows = TOLD.rows()
    bare = next(row.index for row in rows if row.entry is None)
    rows[bare] = structs.replace(rows[bare], hash=bytes(32))
    said = await make_site(rows=rows).said("/")
    assert "The whole record:" in said
    assert "Rely on nothing in it:" in said


async def test_evidence_against_the_log_takes_over_the_head(make_site: MakeSite) -> None:
    site = make_site(verified=False)
    row = ConflictRow(key=bytes(32), at_ms=1, evidence=b"")
    site.console.profile.store.commit((e.PutConflict(row=row),))
    site.console.verify()
    site.console.wait()
    said = await site.said("/entries")
    assert "1 contradiction of the log is kept as evidence." in said
    assert "Rely on nothing in it:" in said
    assert "amanah audit evidence evidence.txt" in said


async def test_a_copy_with_another_root_than_witnesses_saw_takes_over_the_head(make_site: MakeSite) -> None:
    site = make_site(verified=False)
    store = site.console.profile.store
    row = store.witnessed()
    assert row is not None
    store.commit((e.PutWitnessed(row=structs.replace(row, size=50, root=bytes(32))),))
    site.console.verify()
    site.console.wait()
    said = await site.said("/rooms")
    assert "Witnesses have cosigned another log: at 50 leaves" in said
    assert "Rely on nothing in it:" in said


async def heads(site: Site, **changes: object) -> str:
    store = site.console.profile.store
    row = store.witnessed()
    assert row is not None
    store.commit((e.PutWitnessed(row=structs.replace(row, **changes)),))
    site.console.verify()
    site.console.wait()
    return await site.said("/")


async def test_witnesses_that_are_behind_are_said(make_site: MakeSite) -> None:
    site = make_site()
    from amanah_client.audit.times import prefix_root  # noqa: PLC0415 - of this copy, once it is examined

    root = prefix_root(site.console.profile.store.copy, 100)
    said = await heads(site, size=100, root=root)
    assert f"Log verified to {TOLD.log.size} , cosigned to 100 by 3 of 4 witnesses at" in said


async def test_a_copy_that_is_behind_the_witnesses_says_so(make_site: MakeSite) -> None:
    assert "Witnesses have seen more of the log than this copy holds" in await heads(make_site(), size=5_000)


async def test_late_witnesses_are_said(make_site: MakeSite) -> None:
    assert "The witnesses are late" in await heads(make_site(), state=Quorum.LATE)


async def test_a_log_that_no_quorum_has_cosigned_is_said_to_be_so(make_site: MakeSite) -> None:
    said = await heads(make_site(), size=0, cosignatures=())
    assert "not cosigned by a quorum of witnesses" in said
    assert "is the relay's word alone" in said


def test_a_profile_that_never_heard_of_witnesses_is_unwitnessed(honest: Site) -> None:
    head = head_of(honest.examined.report, None, 0)
    assert (head.standing, head.cosigned_at_ms) == (Standing.UNWITNESSED, 0)


def test_results_of_slow_queries_are_kept_up_to_a_number(honest: Site) -> None:
    examined = honest.examined
    calls: list[int] = []
    for number in (*range(300), 299):
        examined.once(("test", number), lambda: calls.append(0))
    assert len(calls) == 300
    examined.once(("test", 0), lambda: calls.append(0))
    assert len(calls) == 301
