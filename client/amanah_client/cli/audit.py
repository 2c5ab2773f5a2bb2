"""`amanah audit`: copy the record's metadata, verify it, list it, hand it on, check what others handed on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final

from cyclopts import App

from amanah_client import model
from amanah_client.audit import local
from amanah_client.audit.examination import examine_copy
from amanah_client.audit.record import Report
from amanah_client.audit.table import Filter, lines
from amanah_client.cli import audit_bundle, audit_json, audit_words, terminal
from amanah_client.cli.audit_words import milliseconds, raise_for, raise_unanchored
from amanah_client.cli.terminal import DEFAULTS, Options
from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_protocol.identity import parse_organisation
from amanah_protocol.kinds import Kind

if TYPE_CHECKING:
    from amanah_client.sdk import Client

app = App(name="audit", help="Copy, verify, list and export the record's metadata.")

_ROUNDS: Final = 3


@app.command
def sync(*, common: Options = DEFAULTS) -> None:
    """Copy the metadata in this auditor's scope, up to the newest checkpoint.

    The relay logs that you read. The copy is verified by `amanah audit verify`.
    """
    before, size, outgrown = terminal.with_client(common, lambda client: _copy_all(client, common.timeout))
    if outgrown:
        terminal.say("your organisation joined a room since the last copy; copying anew, the room's begin included")
        with terminal.profile(common) as profile:
            local.begin_anew(profile)
            copy = terminal.with_client(common, lambda client: _copy_all(client, common.timeout), opened=profile)
        before, size, _ = copy
    if common.json:
        terminal.show_json({"format": audit_json.FORMAT, "copied": size - before, "size": size})
    else:
        terminal.show(f"copied {size - before} leaves, up to the checkpoint of size {size}")


async def _copy_all(client: Client, timeout_s: float) -> tuple[int, int, bool]:
    """Copy until copy and newest checkpoint meet; gives their sizes before and now, and `local.is_outgrown`."""
    store = client.profile.store
    before = store.snapshot().audit_size
    for _ in range(_ROUNDS):
        await _copy(client, timeout_s)
        size = local.keep_checkpoint(store)
        if size is not None:
            return before, size, local.is_outgrown(store, size)
    raise OperationalError(Code.TIMEOUT, "the log grew while it was copied", hint="Run it again; it goes on from here.")


async def _copy(client: Client, timeout_s: float) -> None:
    """Wait for as long as the copy grows."""
    store = client.profile.store
    asked = next((known for known in client.outbox() if isinstance(known.action, model.AuditSync)), None)
    intent = asked or await client.ask(model.AuditSync())
    while True:
        before = store.snapshot().audit_size
        try:
            await client.outcome(intent.id, timeout_s)
        except OperationalError:
            if store.snapshot().audit_size == before:
                raise
        else:
            return


@app.command
def verify(*, common: Options = DEFAULTS) -> None:
    """Verify the whole copy on this machine, without the relay. Exit code 5 if anything does not hold."""
    with _examined(common) as report:
        _show_report(report, common)


@app.command(name="list")
def list_entries(
    *,
    room: str = "",
    organisation: str | None = None,
    kind: str | None = None,
    since: datetime | None = None,
    common: Options = DEFAULTS,
) -> None:
    """List who told whom what class of thing, when. The copy is verified first.

    Parameters
    ----------
    room
        First digits of a room's id.
    organisation
        Only what it sent or could read.
    kind
        Only one kind: create, commit, welcome, message, alert, ack, delivered, egress, erase, ...
    since
        Only what was accepted at this time (UTC) or later, for example 2026-11-23 or 2026-11-23T12:00.
    """
    wanted = Filter(
        room=room.strip().lower(),
        organisation=None if organisation is None else parse_organisation(organisation),
        kind=None if kind is None else _kind(kind),
        since_ms=0 if since is None else milliseconds(since),
    )
    with _examined(common) as report:
        found = lines(report, wanted)
        if common.json:
            terminal.show_json(audit_json.lines_json(report, found))
        else:
            audit_words.show_lines(found)
        raise_for(report)


app.command(audit_bundle.export)
app.command(audit_bundle.add_disclosures)
app.command(audit_bundle.check)


@contextmanager
def _examined(common: Options) -> Iterator[Report]:
    """The report on the copy, whose entries can be read until the block is left."""
    with terminal.profile(common) as profile:
        anchor = local.trusted(profile)
        note, _ = local.copied(profile.store)
        head = local.copied_head(profile.store)
        yield examine_copy(profile.store.copy, checkpoint=note, anchor=anchor, control_head=head)


def _show_report(report: Report, common: Options) -> None:
    if common.json:
        terminal.show_json(audit_json.report_json(report))
    else:
        audit_words.show_report(report)
    raise_for(report)
    raise_unanchored(report.anchor)


# ---- arguments


def _kind(text: str) -> Kind:
    try:
        return Kind[text.strip().upper().replace("-", "_")]
    except KeyError:
        known = ", ".join(kind.name.lower() for kind in Kind)
        raise UsageError(Code.USAGE, f"{text!r} is not a kind", hint=f"Known are {known}.") from None
