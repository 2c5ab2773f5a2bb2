"""`amanah audit`: copy the record's metadata, verify it, list it, hand it on, check what others handed on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import App, Parameter

from amanah_client import actions
from amanah_client.audit import evidence as log_evidence
from amanah_client.audit import local
from amanah_client.audit.record import Report
from amanah_client.audit.table import Filter, counted, lines
from amanah_client.audit.words import verdict
from amanah_client.cli import audit_bundle, audit_json, audit_words, files, opening, terminal
from amanah_client.cli.audit_copy import examined, verify_copy
from amanah_client.cli.audit_words import milliseconds, raise_for, raise_unanchored
from amanah_client.cli.files import File
from amanah_client.cli.progress import PERIOD_S, Progress, progress
from amanah_client.cli.terminal import DEFAULTS, Options
from amanah_client.commands import at_home
from amanah_client.home import Profile
from amanah_client.moments import moment
from amanah_protocol.cards import Armour
from amanah_protocol.errors import Code, OperationalError, UsageError, VerifyError
from amanah_protocol.identity import decode_certificate, parse_organisation
from amanah_protocol.kinds import Kind

if TYPE_CHECKING:
    from amanah_client.sdk import Client
    from amanah_client.store import LocalStore

app = App(name="audit", help="Copy, verify, list and export the record's metadata.")

# Named by where they stand, as in `main`: other verbs do without what they need.
app.command(
    "amanah_client.cli.audit_stamps:renew_stamps",
    name="renew-stamps",
    help="Have time stamps covered by new ones before their certificates end.",
)
app.command(
    "amanah_client.cli.audit_retention:show_retention",
    name="retention",
    help="Show what was erased when and why, what should have been, and legal holds.",
)

Every = Annotated[bool, Parameter(name="--all", negative="")]
Anew = Annotated[bool, Parameter(negative="")]
Uncosigned = Annotated[bool, Parameter(negative="")]
Own = Annotated[bool, Parameter(negative="")]

_ROUNDS: Final = 3
_AGAIN_S: Final = 30
"""A relay publishes a checkpoint that often while there is traffic, and has it cosigned at once."""


@app.command
def sync(
    *, grant: File | None = None, own: Own = False, uncosigned: Uncosigned = False, common: Options = DEFAULTS
) -> None:
    """Copy the metadata in this auditor's scope up to the newest checkpoint, and verify it here.

    Where the roster asks for witnesses, that is the newest which their quorum has cosigned. The relay logs that you
    read. What is interrupted goes on where it was when this is run again. Exit code 5 if anything does not hold.

    Parameters
    ----------
    grant
        The audit grant to read under, besides what the own organisation is in; it is remembered. The copy is made
        anew, and members of the rooms are told of the read.
    own
        Go on without the grant that is remembered, as when it is over: what the own organisation is in alone.
    uncosigned
        Copy also what the witnesses have not cosigned. Until they have, the copy does not hold against the roster.
    """
    if own and grant is not None:
        raise UsageError(Code.USAGE, "--own goes on without a grant, and --grant under one", hint="Give one of them.")
    named = None if grant is None else files.read_armoured(grant, Armour.AUDIT_GRANT)
    with opening.profile(common) as profile:
        if own:
            local.read_alone(profile)
        if named is not None and local.read_under(profile, named):
            terminal.say("this copy was read without that grant; copying anew under it")
        before, size = _copied(profile, common, uncosigned=uncosigned)
        if not size:
            hint = f"Run `amanah audit sync` again in {_AGAIN_S} s, or `amanah audit sync --uncosigned` without them."
            raise OperationalError(Code.WITNESSES, "the witnesses have cosigned nothing of this log yet", hint=hint)
        report = verify_copy(profile)
        if reason := _why_anew(profile, report):
            terminal.say(f"{reason}; copying anew")
            local.begin_anew(profile)
            before, size = _copied(profile, common, uncosigned=uncosigned)
            report = verify_copy(profile)
        left = _uncosigned(profile, size)
        if common.json:
            told = {"format": audit_json.FORMAT, "copied": size - before, "size": size, "holds": not report.faults}
            terminal.show_json(told | {"uncosigned": left})
        else:
            for line in _reach(profile, size - before, size, left):
                terminal.show(line)
            terminal.show(verdict(report))
        raise_for(report)


def _reach(profile: Profile, copied: int, size: int, left: int) -> Iterator[str]:
    """How much of the log the copy has: that little holds must not be read as that all does."""
    new = counted(copied, "leaf", "leaves") if copied else "nothing new"
    if not left:
        yield f"copied {new}; this copy has the whole log as it is now: {counted(size, 'leaf', 'leaves')}"
        return
    yield (
        f"copied {new}; this copy has {size} of {counted(size + left, 'leaf', 'leaves')} of the log, up to the newest "
        f"checkpoint that the quorum of witnesses has cosigned ({_newest_word(profile)})"
    )
    newer = "1 newer leaf is" if left == 1 else f"{left} newer leaves are"
    what_to_do = (
        f"{newer} not in it, because the witnesses have not cosigned so far yet: run `amanah audit sync` again in "
        f"{_AGAIN_S} s. If that stays so, ask the operators of relay and witnesses; `amanah audit sync --uncosigned` "
        "copies the rest without waiting, and until they cosign it that copy does not hold against the roster"
    )
    yield at_home(what_to_do, terminal.home_words())


def _uncosigned(profile: Profile, size: int) -> int:
    """How many leaves of the log lie behind a copy that ends where the quorum of witnesses has cosigned."""
    log, witnessed = profile.store.log(), profile.store.witnessed()
    ends_there = witnessed is not None and witnessed.size == size
    return max(0, log.size - size) if log is not None and ends_there else 0


def _is_outgrown(profile: Profile, report: Report) -> bool:
    """Whether a room is in part here, as a grant has shown it, that the own organisation sees whole by now."""
    grant, record = local.grant_of(profile.store), report.record
    return grant is not None and bool(record.rooms_with_gaps() & record.rooms_with(grant.auditor))


def _why_anew(profile: Profile, report: Report) -> str:
    """Why the copy is made anew before what is wrong with it is said; "" where it is not.

    What was read while the organisation was out of a room is bare hashes here, and the relay shows it by now. Where
    the copy that is made anew shows the same, that is the fault, and it is said: once is enough.
    """
    if report.record.begins_late() or _is_outgrown(profile, report):
        return "your organisation joined a room since the last copy, and sees it from its begin"
    own = decode_certificate(profile.store.snapshot().certificate).organisation
    lacking = report.lacking() & report.record.rooms_ever_with(own)
    if lacking:
        names = ", ".join(sorted(room.hex()[:8] for room in lacking))
        return f"something of room {names} is missing in this copy, as when your organisation has left it and come back"
    return ""


def _newest_word(profile: Profile) -> str:
    row = profile.store.witnessed()
    return moment(1000 * max((time_s for _, time_s in row.cosignatures), default=0)) if row is not None else "no time"


def _copied(profile: Profile, common: Options, *, uncosigned: bool) -> tuple[int, int]:
    """Copy until copy and newest checkpoint meet; gives their sizes before and now."""
    grant = local.reading_grant(profile.store)
    action = actions.AuditSync(grant=None if grant is None else grant.id, uncosigned=uncosigned)
    try:
        return opening.with_client(common, lambda client: _copy_all(client, action, common.timeout), opened=profile)
    except OperationalError as error:
        if error.code is not Code.OFFLINE:
            raise
        # The code's own hint speaks of what was to be sent: an auditor sends nothing.
        hint = "Run `amanah audit sync` again later: the copy is as it was, and goes on from there."
        raise OperationalError(error.code, error.detail, hint=hint) from error


async def _copy_all(client: Client, action: actions.AuditSync, timeout_s: float) -> tuple[int, int]:
    store = client.profile.store
    before = store.copy.size
    with progress("leaves copied") as shown:
        for _ in range(_ROUNDS):
            await _copy(client, action, timeout_s, shown)
            size = local.keep_checkpoint(store)
            if size is not None:
                return before, size
    raise OperationalError(Code.TIMEOUT, "the log grew while it was copied", hint="Run it again; it goes on from here.")


async def _copy(client: Client, action: actions.AuditSync, timeout_s: float, shown: Progress) -> None:
    """Wait for as long as the copy grows."""
    store = client.profile.store
    asked = next((known for known in client.outbox() if isinstance(known.action, actions.AuditSync)), None)
    intent = asked or await client.ask(action)
    looking = asyncio.create_task(_look(store, shown))
    try:
        while True:
            before = store.copy.size
            try:
                await client.outcome(intent.id, timeout_s)
            except OperationalError:
                if store.copy.size == before:
                    raise
            else:
                return
    finally:
        looking.cancel()


async def _look(store: LocalStore, shown: Progress) -> None:
    while True:
        await asyncio.sleep(PERIOD_S)
        log = store.log()
        shown.advance(store.copy.size, None if log is None else log.size)


@app.command
def verify(*, anew: Anew = False, tsa: File | None = None, common: Options = DEFAULTS) -> None:
    """Verify the copy on this machine, without the relay. Exit code 5 if anything does not hold.

    What was verified before, and has not changed since, is not verified again.

    Parameters
    ----------
    anew
        Verify all of it again, from the first leaf.
    tsa
        Root certificates, in PEM, of the time-stamping authorities that are trusted from now on.
    """
    pem = None if tsa is None else files.read_file(tsa)
    with examined(common, anew=anew, pem=pem) as (report, cosigned, stamps):
        if common.json:
            more = {"cosigned": audit_json.cosigned_json(cosigned), "stamps": audit_json.stamps_json(stamps)}
            terminal.show_json({**audit_json.report_json(report), **more})
        else:
            audit_words.show_report(report)
            audit_words.show_cosigned(cosigned)
            audit_words.show_stamps(stamps)
            audit_words.show_verdict(report)
        if cosigned is not None and cosigned.is_of_copy is False:
            raise VerifyError(Code.FORK, "the quorum of witnesses has cosigned another log than this copy")
        raise_for(report)
        raise_unanchored(report.anchor)


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
    with examined(common) as (report, _, _):
        found = lines(report, wanted)
        if common.json:
            terminal.show_json(audit_json.lines_json(report, found))
        elif not audit_words.show_lines(found):
            _show_nothing(report)
        raise_for(report)


def _show_nothing(report: Report) -> None:
    scope = report.scope
    if not scope.envelopes:
        terminal.show("there is no entry of a room in this copy: nothing was accepted in its scope so far")
        return
    entries, rooms = counted(scope.envelopes, "entry", "entries"), counted(report.record.room_count, "room")
    terminal.show(
        f"no entry is like that, of {entries} of {rooms} in scope, accepted between {moment(scope.first_ms)} and "
        f"{moment(scope.last_ms)}"
    )
    what_to_do = (
        "leave out an option, or give other values: `amanah audit verify` names the rooms and organisations in scope, "
        "`amanah audit list` lists everything. What is outside of the scope is bare hashes here, and never listed"
    )
    terminal.show(at_home(what_to_do, terminal.home_words()))


@app.command
def evidence(file: File, /, *, every: Every = False, common: Options = DEFAULTS) -> None:
    """Write the evidence against the log that this profile keeps: anybody checks it by `amanah audit check FILE`.

    It holds two statements that the log or its relay signed and that do not go together, and no message. Nothing is
    overwritten.

    Example: amanah audit evidence fork.txt

    Parameters
    ----------
    file
        Where to write it; `-` for standard output.
    every
        All that is kept, not the newest contradiction alone.
    """
    with opening.profile(common) as profile:
        rows = profile.store.conflicts()
        files.write_file(file, log_evidence.evidence_file(rows, every=every))
    written = len(rows) if every else 1
    terminal.say(f"{written} of {len(rows)} written; {audit_words.check_words(file)}")


app.command(audit_bundle.export)
app.command(audit_bundle.add_disclosures)
app.command(audit_bundle.check)
# Named by where they stand, as in `main`: other verbs do without what they need.
app.command(
    "amanah_client.cli.audit_ask:ask_question", name="ask", help="Ask the copy a question, or list the questions."
)
app.command("amanah_client.cli.audit_ask:search", name="search", help="Find an id, a nation, a log index or a receipt.")
app.command(
    "amanah_client.cli.audit_prove:prove", name="prove", help="Write the proof that one entry stands in the log."
)
app.command("amanah_client.cli.audit_console:console", name="console", help="Show the copy as pages in a browser.")


# ---- arguments


def _kind(text: str) -> Kind:
    try:
        return Kind[text.strip().upper().replace("-", "_")]
    except KeyError:
        known = ", ".join(kind.name.lower() for kind in Kind)
        raise UsageError(Code.USAGE, f"{text!r} is not a kind", hint=f"Known are {known}.") from None
