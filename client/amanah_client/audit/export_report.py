"""The report of a bundle for people: what is in it, said once for the page and for the print.

It is a view: it proves nothing, and says so. All its words are English, whatever its exporter speaks: a bundle goes
to others, and says the same to each. They go through `_`, and stand in no catalogue (`docs/languages.md`).
"""

from __future__ import annotations

import gettext
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from itertools import islice
from typing import TYPE_CHECKING, Final

from amanah_client.audit.bundle_check import Opened
from amanah_client.audit.export import Exporter
from amanah_client.audit.record import Report
from amanah_client.audit.report import Finding, Nations, RoomSummary, Severity
from amanah_client.audit.table import NO_LABEL, Filter, Line, changed, counted, lines, short, size_words
from amanah_client.audit.words import between, claimed, content_lines, cosigned, verdict
from amanah_client.moments import moment
from amanah_client.visible import shown
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.labels import Label

if TYPE_CHECKING:
    from jinja2 import Template

MAX_ENTRIES: Final = 500
MAX_ROOMS: Final = 200
"""What a person reads of; the rest is in the files for analysis, and is counted."""

_LETTERS: Final = 80
_DIGITS: Final = 16
"""Of an origin and of a root, where they tell sheets of one print from those of another."""

_: Final = gettext.NullTranslations().gettext


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportChange:
    """One change of a room's circle, in words."""

    index: int
    at: str
    text: str
    members: Nations


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRoom:
    """One room, in words."""

    room: str
    name: str
    opened: str
    ceiling: Label | None
    period: str
    members: Nations
    changes: tuple[ReportChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportMessage:
    """One disclosed message, in words."""

    index: int
    sender: str
    precedence: str
    label: Label
    alarm: str
    times: tuple[tuple[str, str], ...]
    said: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """All that page and print say.

    Attributes:
        title: What it is.
        named: The log and the begin of its root: what each sheet of a print names.
        holds: Whether the record holds.
        by: Whose word the verdict is.
        verdict: What the exporter found.
        facts: Name and value of each.
        limits: What it does not show.
        checking: How the reader checks the file without its exporter.
        findings: Faults and remarks.
        rooms: The rooms.
        more_rooms: How many further ones there are.
        messages: What was disclosed.
        entries: Who told whom what class of thing.
        more_entries: How many further ones there are.
    """

    title: str
    named: str
    holds: bool
    by: str
    verdict: str
    facts: tuple[tuple[str, str], ...]
    limits: tuple[str, ...]
    checking: tuple[str, ...]
    findings: tuple[Finding, ...]
    rooms: tuple[ReportRoom, ...]
    more_rooms: int
    messages: tuple[ReportMessage, ...]
    entries: tuple[Line, ...]
    more_entries: int


def view_of(report: Report, exporter: Exporter, since_ms: int, opened: tuple[Opened, ...] = ()) -> ReportView:
    """What a report says of an examined record; its entries begin at a time."""
    wanted = Filter(since_ms=since_ms)
    entries = tuple(islice(lines(report, wanted), MAX_ENTRIES))
    # To make lines of all that is only counted would take as long as both tables.
    ((count,),) = report.record.select("SELECT count(*) FROM entry WHERE accepted_ms >= ?", wanted.since_ms)
    rooms = report.record.rooms()
    return ReportView(
        title=_("Evidence from the log {origin}").format(origin=report.origin),
        named=_("{origin}, root {root}").format(origin=report.origin[:_LETTERS], root=report.root.hex()[:_DIGITS]),
        holds=not report.faults,
        by=_("What its exporter found. Check it yourself: the file needs nobody's word."),
        verdict=verdict(replace(report, anchor=_("the rosters that its exporter trusts"))),
        facts=tuple(_facts(report, exporter)),
        limits=tuple(_limits(report)),
        checking=tuple(_checking()),
        findings=report.findings,
        rooms=tuple(_room(room) for room in rooms[:MAX_ROOMS]),
        more_rooms=max(0, len(rooms) - MAX_ROOMS),
        messages=tuple(_message(report, one) for one in opened),
        entries=entries,
        more_entries=count - len(entries),
    )


def _facts(report: Report, exporter: Exporter) -> Iterator[tuple[str, str]]:
    scope = report.scope
    yield _("Log"), f"{report.origin}, {counted(report.size, 'leaf', 'leaves')}"
    yield _("Root"), report.root.hex()
    yield _("Held against"), _("the rosters that its exporter trusts")
    yield _("Cosigned by"), cosigned(report.witnesses)
    yield (
        _("In this file"),
        _("entries of rooms: {envelopes}; of the control stream: {control}; reading orders: {reads}").format(
            envelopes=scope.envelopes, control=scope.control, reads=scope.reads
        ),
    )
    yield (
        _("Not in this file"),
        _("{bare}, of which the hash alone is here").format(bare=counted(scope.bare, "leaf", "leaves")),
    )
    yield (
        _("Accepted"),
        _("from {first} to {last}, as the relay says").format(first=moment(scope.first_ms), last=moment(scope.last_ms)),
    )
    yield (
        _("Control stream"),
        _("its end is not confirmed by a signed head")
        if report.control_confirmed is None
        else _("whole up to entry {place}, by a signed head").format(place=report.control_confirmed),
    )
    device, at = exporter.key.key_id.hex(), moment(exporter.now_ms)
    yield (
        _("Exported"),
        _("{at} by device {device} of {organisation}, as it says").format(
            at=at, device=device[:16], organisation=exporter.organisation
        ),
    )


def _limits(report: Report) -> Iterator[str]:
    yield _("This page is a view and proves nothing. What proves stands beside it in the same file; check that.")
    yield _(
        "Content, titles and names are sealed and stand nowhere in the record. "
        "What is disclosed here was added by a member."
    )
    yield _(
        "Times are kept apart: claimed by the sender, accepted as the relay says, witnessed by cosignatures, "
        "stamped by authorities that its exporter trusts."
    )
    yield _(NO_LABEL)
    yield _("What may follow the last entry of a room is not shown: only the room's members know its head.")
    if not report.witnesses:
        yield _(
            "No witness that the policy names has cosigned the checkpoint: that others were shown the same log is not "
            "proven."
        )


def _checking() -> Iterator[str]:
    yield _(
        "Take the policy, and the program, from somebody other than who gave you this file: whoever made the file can "
        "have made both to go with it, and then you have checked nothing."
    )
    yield _(
        "amanah-verify.py needs Python 3.11 and PyNaCl (pip install pynacl), and nothing else of Amanah. The copy in "
        "this file is there to be read and compared with yours."
    )
    yield _(
        "It holds if the check ends with HOLDS, anchored in the policy that you gave, and exit code 0. Of each other "
        "verdict docs/auditors.md of Amanah says what it means, and what to do."
    )


def _room(room: RoomSummary) -> ReportRoom:
    opened = _("its creation does not hold")
    if room.create is not None and room.opened_by is not None:
        opened = _("opened by {who}").format(who=room.opened_by.text)
        if room.create.drill:
            opened = _("DRILL: an exercise. {opened}").format(opened=opened)
        if room.create.agreement:
            opened += _(", under {agreement}").format(agreement=room.create.agreement)
    return ReportRoom(
        room=room.room.hex(),
        name=short(room.room),
        opened=opened,
        ceiling=None if room.create is None else room.create.ceiling,
        period=_("{count}, {first} to {last}").format(
            count=counted(room.entries, "entry", "entries"), first=moment(room.first_ms), last=moment(room.last_ms)
        ),
        members=room.members,
        changes=tuple(
            ReportChange(
                index=change.index,
                at=moment(change.accepted_at_ms),
                text=f"{change.by.text} {changed(change.added, change.removed)}",
                members=change.members,
            )
            for change in room.changes
            if change.added or change.removed
        ),
    )


def _message(report: Report, one: Opened) -> ReportMessage:
    header, content = one.envelope.header, one.content
    alarm = _("The record shows {label} for it; the sealed label counts.").format(label=header.label.text)
    return ReportMessage(
        index=one.index,
        sender=one.sender.text,
        precedence=header.precedence.name.lower(),
        label=content.label,
        alarm=alarm if content.differs_from(header.label) else "",
        times=(
            (_("claimed"), _("{at} by its sender").format(at=claimed(content, header))),
            (_("accepted"), _("{at}, as the relay says").format(at=moment(one.leaf.accepted_at_ms))),
            (_("witnessed"), between(report.record.bounds(one.index)).removeprefix("witnessed ")),
            *(
                (
                    _("stamped"),
                    _("not after {at} by {authority}").format(at=moment(by.not_after_ms), authority=by.authority),
                )
                for by in report.record.stamped(one.index)
            ),
        ),
        said=tuple(content_lines(content)),
    )


def render_html(view: ReportView) -> Iterator[bytes]:
    """The page: everything in it, nothing remote, no script.

    Raises:
        UsageError: `CONFIG` when the extra `reports` is not installed.
    """
    for piece in page_template().stream(report=view):
        yield piece.encode("utf-8", "backslashreplace")


@cache
def page_template() -> Template:
    """What the page is made by, read once by each program."""
    try:
        import jinja2  # noqa: PLC0415 - nothing but an export needs it
    except ImportError as error:
        raise missing("Jinja2") from error
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        # Whatever is printed was made safe to show; what the template made itself is no plain text any more.
        finalize=lambda value: shown(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_null_translations(newstyle=True)  # type: ignore[attr-defined]  # of the extension
    environment.globals.update(moment=moment, between=between, size_words=size_words, short=short, fault=Severity.FAULT)
    text = resources.files("amanah_client.audit").joinpath("templates/report.html").read_text(encoding="utf-8")
    return environment.from_string(text)


def missing(package: str) -> UsageError:
    """What an export says when it cannot make its reports."""
    hint = "Install the extra: pip install 'amanah[reports]'. Without its reports a bundle is not one."
    return UsageError(Code.CONFIG, f"{package} is not installed, which makes the reports of a bundle", hint=hint)
