"""`amanah audit`: copy the record's metadata, verify it, list it, hand it on, check what others handed on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import App, Parameter

from amanah_client import model
from amanah_client.audit import evidence as log_evidence
from amanah_client.audit import local
from amanah_client.audit.anchors import anchor_of_policy, anchor_of_rosters, decode_rosters
from amanah_client.audit.bundle import MAGIC, BundleHeader, BundleReader, encode_bundle
from amanah_client.audit.disclosed import prove
from amanah_client.audit.examination import Anchor, examine, examine_copy
from amanah_client.audit.record import Report
from amanah_client.audit.table import Filter, lines
from amanah_client.cli import audit_json, audit_words, evidence_words, files, terminal
from amanah_client.cli.audit_files import opened, reading, write_new
from amanah_client.cli.files import File
from amanah_client.cli.progress import PERIOD_S, Progress, progress
from amanah_client.cli.terminal import DEFAULTS, Options
from amanah_client.home import Profile, find_home
from amanah_protocol.cards import Armour, armour_kind, decode_armour
from amanah_protocol.errors import Code, DecodeError, OperationalError, PeerError, UsageError, VerifyError
from amanah_protocol.identity import parse_organisation
from amanah_protocol.kinds import Kind
from amanah_protocol.log.disclosure import decode_disclosure
from amanah_protocol.log.policy import decode_policy
from amanah_protocol.roster import Relay

if TYPE_CHECKING:
    from amanah_client.sdk import Client
    from amanah_client.store import LocalStore

app = App(name="audit", help="Copy, verify, list and export the record's metadata.")

# Named by where it stands: other verbs do without what it needs.
app.command(
    "amanah_client.cli.audit_retention:show_retention",
    name="retention",
    help="Show what was erased when and why, what should have been, and legal holds.",
)

Every = Annotated[bool, Parameter(name="--all", negative="")]
Anew = Annotated[bool, Parameter(negative="")]

_ROUNDS: Final = 3
_MAX_TEXT_BYTES: Final = 64 * 1024 * 1024
"""Of an armoured file; a larger bundle travels as it was exported."""


@app.command
def sync(*, grant: File | None = None, common: Options = DEFAULTS) -> None:
    """Copy the metadata in this auditor's scope up to the newest checkpoint, and verify it here.

    The relay logs that you read. What is interrupted goes on where it was when this is run again. Exit code 5 if
    anything does not hold.

    Parameters
    ----------
    grant
        The audit grant to read under, besides what the own organisation is in; it is remembered. The copy is made
        anew, and members of the rooms are told of the read.
    """
    named = None if grant is None else files.read_armoured(grant, Armour.AUDIT_GRANT)
    with terminal.profile(common) as profile:
        if named is not None and local.read_under(profile, named):
            terminal.say("this copy was read without that grant; copying anew under it")
        before, size = _copied(profile, common)
        report = _verify(profile)
        if report.record.begins_late():
            terminal.say("your organisation joined a room since the last copy; copying anew, the room's begin included")
            local.begin_anew(profile)
            before, size = _copied(profile, common)
            report = _verify(profile)
        if common.json:
            told = {"format": audit_json.FORMAT, "copied": size - before, "size": size, "holds": not report.faults}
            terminal.show_json(told)
        else:
            terminal.show(f"copied {size - before} leaves, up to the checkpoint of size {size}")
            terminal.show(audit_words.verdict(report))
        raise_for(report)


def _copied(profile: Profile, common: Options) -> tuple[int, int]:
    """Copy until copy and newest checkpoint meet; gives their sizes before and now."""
    return terminal.with_client(common, lambda client: _copy_all(client, common.timeout), opened=profile)


async def _copy_all(client: Client, timeout_s: float) -> tuple[int, int]:
    store = client.profile.store
    before = store.copy.size
    with progress("leaves copied") as shown:
        for _ in range(_ROUNDS):
            await _copy(client, timeout_s, shown)
            size = local.keep_checkpoint(store)
            if size is not None:
                return before, size
    raise OperationalError(Code.TIMEOUT, "the log grew while it was copied", hint="Run it again; it goes on from here.")


async def _copy(client: Client, timeout_s: float, shown: Progress) -> None:
    """Wait for as long as the copy grows."""
    store = client.profile.store
    asked = next((known for known in client.outbox() if isinstance(known.action, model.AuditSync)), None)
    grant = local.grant_of(store)
    intent = asked or await client.ask(model.AuditSync(grant=None if grant is None else grant.id))
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
def verify(*, anew: Anew = False, common: Options = DEFAULTS) -> None:
    """Verify the copy on this machine, without the relay. Exit code 5 if anything does not hold.

    What was verified before, and has not changed since, is not verified again.

    Parameters
    ----------
    anew
        Verify all of it again, from the first leaf.
    """
    with examined(common, anew=anew) as (report, cosigned):
        if common.json:
            terminal.show_json({**audit_json.report_json(report), "cosigned": audit_json.cosigned_json(cosigned)})
        else:
            audit_words.show_report(report)
            audit_words.show_cosigned(cosigned)
        if cosigned is not None and cosigned.is_of_copy is False:
            raise VerifyError(Code.FORK, "the quorum of witnesses has cosigned another log than this copy")
        raise_for(report)
        _raise_unanchored(report.anchor)


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
        since_ms=0 if since is None else _milliseconds(since),
    )
    with examined(common) as (report, _):
        found = lines(report, wanted)
        if common.json:
            terminal.show_json(audit_json.lines_json(report, found))
        else:
            audit_words.show_lines(found)
        raise_for(report)


@app.command
def export(file: File, /, *, common: Options = DEFAULTS) -> None:
    """Write the copy as one file that anybody verifies offline: `amanah audit check FILE`.

    It is not signed: everything in it proves itself. Nothing is overwritten.

    Parameters
    ----------
    file
        Where to write it; `-` for standard output.
    """
    with terminal.profile(common) as profile:
        anchor = local.trusted(profile)
        note, size = local.copied(profile.store)
        header = BundleHeader(
            roster=anchor.rosters[-1].value.endorsed.encode(),
            checkpoint=note,
            control_head=local.copied_head(profile.store),
            rows=size,
        )
        digest = write_new(file, encode_bundle(header, local.copied_rows(profile.store, size)))
    terminal.say(f"{size} leaves, sha256 {digest}; `amanah audit check FILE` verifies the file, without this profile")


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
    with terminal.profile(common) as profile:
        rows = profile.store.conflicts()
        files.write_file(file, log_evidence.evidence_file(rows, every=every))
    written = len(rows) if every else 1
    terminal.say(f"{written} of {len(rows)} written; `amanah audit check FILE` verifies the file, without this profile")


@app.command
def check(file: File, /, *, policy: File | None = None, roster: File | None = None, common: Options = DEFAULTS) -> None:
    """Check an export, a disclosure or evidence: no relay, no key, no network. Exit code 5 if it does not hold.

    Without a policy it is held against --roster, else against the roster of this profile; without any,
    it can only be consistent in itself, which is said, and is not enough: exit code 5.

    Example: amanah audit check evidence.txt --policy community.policy --roster community.roster

    Parameters
    ----------
    file
        The file; `-` for standard input.
    policy
        A trust policy (`amanah roster show --policy` prints one).
    roster
        A roster's file, where neither the file nor this profile holds it.
    """
    with opened(file) as (stream, magic):
        if magic == MAGIC:
            _check_bundle(BundleReader(reading(stream, magic)), policy, roster, common)
            return
        text = (magic + stream.read(_MAX_TEXT_BYTES)).decode("utf-8", "replace")
    match armour_kind(text):
        case Armour.BUNDLE:
            data = decode_armour(text, Armour.BUNDLE)
            _check_bundle(BundleReader(BytesIO(data).read), policy, roster, common)
        case Armour.DISCLOSURE:
            try:
                data = decode_armour(text, Armour.DISCLOSURE)
            except DecodeError as error:
                raise _damaged(error) from error
            _check_disclosure(data, policy, roster, common)
        case Armour.EVIDENCE:
            _check_evidence(text, policy, roster, common)
        case found:
            what = f"this is {found!s}" if found else "this is none of them"
            hint = "Give a file that `amanah audit export`, `amanah audit evidence` or `amanah disclose` wrote."
            raise DecodeError(Code.BAD_TYPE, f"an export, a disclosure or evidence is wanted, {what}", hint=hint)


# ---- checking


def _check_bundle(reader: BundleReader, policy: Path | None, roster: Path | None, common: Options) -> None:
    own = reader.header.roster
    anchor = _anchor(policy, roster, common, own) or anchor_of_rosters((own,), "")
    report = examine(
        reader.rows(), checkpoint=reader.header.checkpoint, anchor=anchor, control_head=reader.header.control_head
    )
    _show_report(report, common)


def _check_disclosure(data: bytes, policy: Path | None, roster: Path | None, common: Options) -> None:
    anchor = _anchor(policy, roster, common)
    try:
        decoded = decode_disclosure(data)
    except DecodeError as error:
        raise _damaged(error) from error
    try:
        proven = prove(decoded, anchor)
    except PeerError as error:
        raise VerifyError(Code.RECORD, f"the disclosure does not hold: {error.detail} [{error.code}]") from error
    if common.json:
        terminal.show_json(audit_json.proven_json(proven))
    else:
        audit_words.show_proven(proven)
    _raise_unanchored(proven.anchor)


def _check_evidence(text: str, policy: Path | None, roster: Path | None, common: Options) -> None:
    relays, anchor = _keys(policy, roster, common)
    try:
        found = log_evidence.judge(text, relays)
    except PeerError as error:
        hint = "It speaks against nobody as it is; get the whole file again from whoever made it."
        detail = f"the evidence does not hold: {error.detail} [{error.code}]"
        raise VerifyError(Code.RECORD, detail, hint=hint) from error
    if common.json:
        terminal.show_json(evidence_words.evidence_json(found, anchor))
    else:
        evidence_words.show_evidence(found, anchor)


def _keys(policy: Path | None, roster: Path | None, common: Options) -> tuple[tuple[Relay, ...], str]:
    """Whose keys a log's statements are verified by, and what names them."""
    try:
        anchor = _anchor(policy, roster, common)
    except UsageError as error:
        # A checkpoint needs the log's key alone, and that stands in the policy itself.
        if policy is None or error.code not in (Code.UNANCHORED, Code.CONFIG):
            raise
        return log_evidence.relays_of_policy(decode_policy(files.read_file(policy))), "the policy file"
    if anchor is None:
        raise UsageError(Code.UNANCHORED, "no key of any log is at hand, so no signature can be verified")
    return log_evidence.relays_of_anchor(anchor), anchor.name


def _damaged(error: DecodeError) -> DecodeError:
    detail = f"the disclosure is damaged or incomplete ({error.detail})"
    hint = "Get the whole file again from whoever disclosed it; a damaged one speaks neither for nor against it."
    return DecodeError(error.code, detail, hint=hint)


def _anchor(policy: Path | None, roster: Path | None, common: Options, *own: bytes) -> Anchor | None:
    """What to hold it against; None when nothing is at hand.

    A roster that is named outweighs the profile's, and a policy outweighs both.
    """
    named = () if roster is None else decode_rosters(files.read_file(roster).decode("utf-8", "replace"))
    if roster is not None and not named:
        raise DecodeError(Code.BAD_TYPE, f"{roster} is not a roster's file")
    kept = find_home(common.home).roster
    trusted = decode_rosters(files.read_file(kept).decode("utf-8", "replace")) if kept.exists() else ()
    if policy is not None:
        return anchor_of_policy(decode_policy(files.read_file(policy)), (*named, *trusted, *own))
    if named:
        return anchor_of_rosters(named, "the roster file")
    return anchor_of_rosters(trusted, "the rosters that this profile trusts") if trusted else None


@contextmanager
def examined(common: Options, *, anew: bool = False) -> Iterator[tuple[Report, local.Cosigned | None]]:
    """The report on the copy, whose entries can be read until the block is left, and what witnesses said of the log."""
    with terminal.profile(common) as profile:
        if anew:
            profile.store.copy.forget_register()
        report = _verify(profile)
        yield report, local.cosigned(profile.store)


def _verify(profile: Profile) -> Report:
    """Verify what was copied and not verified yet."""
    anchor = local.trusted(profile)
    note, size = local.copied(profile.store)
    head = local.copied_head(profile.store)
    with progress("leaves verified", size) as shown:
        return examine_copy(
            profile.store.copy,
            checkpoint=note,
            anchor=anchor,
            control_head=head,
            selection=local.grant_of(profile.store),
            advanced=shown.advance,
        )


def _show_report(report: Report, common: Options) -> None:
    if common.json:
        terminal.show_json(audit_json.report_json(report))
    else:
        audit_words.show_report(report)
    raise_for(report)
    _raise_unanchored(report.anchor)


def raise_for(report: Report) -> None:
    """The end of a command whose copy does not hold.

    Raises:
        VerifyError: `RECORD`.
    """
    bad = report.first_bad
    if bad is not None:
        where = "the whole record" if bad.index is None else f"first bad entry {bad.index}"
        raise VerifyError(Code.RECORD, f"the record does not hold: {where}: {bad.text} [{bad.code}]")


def _raise_unanchored(anchor: str) -> None:
    if not anchor:
        raise UsageError(Code.UNANCHORED, audit_words.UNANCHORED)


# ---- arguments


def _kind(text: str) -> Kind:
    try:
        return Kind[text.strip().upper().replace("-", "_")]
    except KeyError:
        known = ", ".join(kind.name.lower() for kind in Kind)
        raise UsageError(Code.USAGE, f"{text!r} is not a kind", hint=f"Known are {known}.") from None


def _milliseconds(at: datetime) -> int:
    moment = at if at.tzinfo else at.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)
