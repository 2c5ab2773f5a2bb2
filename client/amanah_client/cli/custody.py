"""`amanah org grant-audit`, `hold`, `forget-person`, `countersign` and what is about them: two parties, on files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from cyclopts import App, Parameter

from amanah_client import custodians, enrolment
from amanah_client.cli import files, opening, terminal
from amanah_client.cli.files import File
from amanah_client.cli.terminal import DEFAULTS, Options, clock, single
from amanah_client.composing import names
from amanah_client.home import Profile, create_profile, find_home
from amanah_client.keystore import create_key_file
from amanah_protocol.cards import Armour, armour, armour_kind, decode_armour
from amanah_protocol.custody.erasures import PersonErasure, decode_person_erasure
from amanah_protocol.custody.grants import AuditGrant, Terms, decode_grant
from amanah_protocol.custody.holds import LegalHold, decode_hold
from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.identity import parse_organisation
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import PersonId, RoomId

hold = App(name="hold", help="Keep the content of rooms from being dropped, for a case.")

_DAY_MS: Final = 86_400_000
_HEX_ID: Final = 16
SUBMITTED: Final = {
    Armour.REVOCATION: LeafType.REVOCATION,
    Armour.AUDIT_GRANT: LeafType.AUDIT_GRANT,
    Armour.LEGAL_HOLD: LeafType.LEGAL_HOLD,
    Armour.FORGOTTEN: LeafType.ERASURE,
}
"""What `amanah device submit` hands to the relay."""

Flag = Annotated[bool, Parameter(negative="")]
Document: TypeAlias = AuditGrant | LegalHold | PersonErasure
_ARMOUR: Final = {
    AuditGrant: Armour.AUDIT_GRANT,
    LegalHold: Armour.LEGAL_HOLD,
    PersonErasure: Armour.FORGOTTEN,
}


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """Options that narrow what an audit grant shows.

    Attributes:
        subject: Only this auditor's pseudonym (32 hex digits).
        since: Only what was accepted at this time (UTC) or later. Nothing then proves that what is shown is complete.
        until: Only what was accepted before this time (UTC).
        label: Only entries of this label, once for each. Nothing then proves that what is shown is complete.
    """

    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    label: tuple[str, ...] = ()


def custodian(
    organisation: str,
    /,
    *,
    key_file: Flag = False,
    out: File | None = None,
    common: Options = DEFAULTS,
) -> None:
    """Make a custodian's key, in a profile of its own: the second party of grants and holds.

    It goes to another person than the one who holds the organisation's profile.

    Parameters
    ----------
    organisation
        DNS name of the organisation.
    key_file
        Protect the keystore by a 0600 key file instead of a passphrase (machines, tests).
    out
        Where to write the public key, for `amanah org add-custodian`; standard output by default.
    """
    from amanah_client.cli import questions  # noqa: PLC0415 - asks for a passphrase, which most verbs do not
    from amanah_client.keystore import Passphrase  # noqa: PLC0415 - as above

    name = parse_organisation(organisation)
    files.check_new(out)
    home = find_home(common.home)
    if home.exists():
        profile = opening.profile(common)
    elif key_file:
        home.make_folder()
        profile = create_profile(home, create_key_file(home.key_file))
    else:
        profile = create_profile(home, Passphrase(text=questions.new_passphrase()))
    with profile:
        made = custodians.make_custodian(profile, name)
    files.write_file(out, armour(Armour.CUSTODIAN, made))
    terminal.say(f"custodian of {name}; the key in words: {enrolment.words(made)}")
    terminal.say("next, in the organisation's profile: `amanah org add-custodian FILE`, then a new roster")


def add_custodian(file: File, /, *, common: Options = DEFAULTS) -> None:
    """Put a custodian's key into this organisation's card.

    Parameters
    ----------
    file
        The file that `amanah org custodian` wrote.
    """
    data = files.read_armoured(file, Armour.CUSTODIAN)
    with opening.profile(common) as profile:
        number = custodians.add_custodian(profile, data)
    terminal.say(f"{number} custodians; the key in words: {enrolment.words(data)}")
    terminal.say(
        "it counts when a roster with the new card is signed: `amanah org card`, `amanah roster new --previous`"
    )


def grant_audit(
    auditor: str,
    /,
    *,
    purpose: str,
    days: int,
    room: tuple[str, ...] = (),
    all_rooms: Flag = False,
    community: Flag = False,
    narrowed: Narrowed = Narrowed(),
    out: File | None = None,
    common: Options = DEFAULTS,
) -> None:
    """Let an auditor of another organisation read the metadata of rooms that this one owns. Never their content.

    A custodian signs it too (`amanah org countersign`); members of the rooms are told of it and of each read.

    Example: amanah org grant-audit cert.example.ma --room 3f2a... --days 30 --purpose "joint review 7" --out g.grant

    Parameters
    ----------
    auditor
        Whose auditors may read.
    purpose
        What for, in one line; members and auditors of the rooms see it, and it stays in the log.
    days
        For how many days from now on, at most 366.
    room
        A room's whole id, once for each.
    all_rooms
        All rooms that this organisation owns, also later ones.
    community
        A grant of the community: any room, or with --all-rooms the whole log; other organisations sign too.
    narrowed
        Which of it, and for whom of them.
    out
        Where to write it; standard output by default.
    """
    if bool(room) == all_rooms:
        raise UsageError(Code.USAGE, "name rooms by --room, or say --all-rooms", hint="One of the two.")
    now_ms = time.time_ns() // 1_000_000
    terms = Terms(
        id=custodians.new_grant_id(),
        granting=None if community else parse_organisation(auditor),
        auditor=parse_organisation(auditor),
        subject=None if narrowed.subject is None else PersonId(_bytes(narrowed.subject, "a pseudonym")),
        rooms=tuple(RoomId(_bytes(one, "a room's id")) for one in room),
        since_ms=_milliseconds(narrowed.since),
        until_ms=_milliseconds(narrowed.until),
        labels=tuple(names.label(one) for one in narrowed.label),
        purpose=purpose,
        issued_ms=now_ms,
        not_before_ms=now_ms,
        not_after_ms=now_ms + days * _DAY_MS,
    )
    files.check_new(out)
    with opening.profile(common) as profile:
        made = custodians.grant(profile, terms)
    _hand_over(made, out, _grant_lines(made))


def end_grant(file: File, /, *, out: File | None = None, common: Options = DEFAULTS) -> None:
    """End an audit grant now. It takes two parties, as the grant did.

    Parameters
    ----------
    file
        The grant.
    out
        Where to write its end; standard output by default.
    """
    _end(file, Armour.AUDIT_GRANT, custodians.end_grant, out, common)


@hold.command
def place(
    *rooms: str,
    reference: str,
    since: datetime | None = None,
    out: File | None = None,
    common: Options = DEFAULTS,
) -> None:
    """Hold rooms of this organisation: neither retention nor an erasure drops their content while it stands.

    A custodian signs it too (`amanah org countersign`).

    Parameters
    ----------
    rooms
        Whole ids of rooms.
    reference
        32 hex digits that name the case to those who know it, and to nobody else: the log is for ever.
    since
        What was accepted at this time (UTC) or later; all by default.
    out
        Where to write it; standard output by default.
    """
    named = tuple(RoomId(_bytes(room, "a room's id")) for room in rooms)
    files.check_new(out)
    with opening.profile(common) as profile:
        made = custodians.place_hold(
            profile, named, since_ms=_milliseconds(since) or 0, reference=_bytes(reference, "a reference")
        )
    _hand_over(made, out)


@hold.command
def release(file: File, /, *, out: File | None = None, common: Options = DEFAULTS) -> None:
    """Release a legal hold. It takes two parties, as the hold did.

    Parameters
    ----------
    file
        The hold.
    out
        Where to write its release; standard output by default.
    """
    _end(file, Armour.LEGAL_HOLD, custodians.release_hold, out, common)


def countersign(file: File, /, *, out: File | None = None, common: Options = DEFAULTS) -> None:
    """Sign a grant, a hold, the end of one, or a forgotten person, as the second party. It shows what is signed.

    Parameters
    ----------
    file
        What the first party wrote.
    out
        Where to write it with both signatures; standard output by default.
    """
    text = files.read_file(file).decode("utf-8", "replace")
    kind = armour_kind(text)
    document: Document
    lines: Iterable[str]
    match kind:
        case Armour.AUDIT_GRANT:
            document = decode_grant(decode_armour(text, kind))
            lines = _grant_lines(document)
        case Armour.LEGAL_HOLD:
            document = decode_hold(decode_armour(text, kind))
            lines = _hold_lines(document)
        case Armour.FORGOTTEN:
            document = decode_person_erasure(decode_armour(text, kind))
            lines = (f"{document.organisation} forgets the name of {document.subject.hex()}; it cannot be taken back",)
        case _:
            what = f"this is {kind!s}" if kind else "this is neither"
            raise DecodeError(Code.BAD_TYPE, f"an audit grant, a legal hold or a forgotten person is wanted, {what}")
    for line in lines:
        terminal.say(line)
    files.check_new(out)
    with opening.profile(common) as profile:
        signed = custodians.countersign(profile, document)
    files.write_file(out, armour(kind, signed))
    terminal.say("signed; it counts as soon as a device submits it: `amanah device submit FILE`")


def forget_person(subject: str, /, *, yes: Flag = False, out: File | None = None, common: Options = DEFAULTS) -> None:
    """Forget who is behind a pseudonym: tell all clients to drop the name. It cannot be taken back.

    What is in the log stays, and stays provable; the name in it was never more than a MAC, which nobody can open
    any more. A custodian signs it too (`amanah org countersign`). The relay refuses it while a legal hold keeps a
    room in which the person wrote. Once it is submitted, `amanah org drop-name` drops the name here.

    Parameters
    ----------
    subject
        The pseudonym (32 hex digits; `amanah org show --json`).
    yes
        Do not ask to type the first digits of the pseudonym.
    out
        Where to write the statement; standard output by default.
    """
    from amanah_client.cli import questions  # noqa: PLC0415 - asks, which most verbs here do not

    person = PersonId(_bytes(subject, "a pseudonym"))
    files.check_new(out)
    questions.confirm(f"Forgetting {person.hex()}", person.hex()[:8], yes=yes)
    with opening.profile(common) as profile:
        made = custodians.forget_person(profile, person)
    _hand_over(made, out)


def drop_name(file: File, /, *, common: Options = DEFAULTS) -> None:
    """Drop the name of a forgotten person from this organisation's own record.

    Do it when the relay has taken the statement: while a legal hold stands it refuses it, and the name is wanted.

    Parameters
    ----------
    file
        The statement with both signatures.
    """
    data = files.read_armoured(file, Armour.FORGOTTEN)
    with opening.profile(common) as profile:
        devices = custodians.drop_name(profile, data)
    number = "1 device" if len(devices) == 1 else f"{len(devices)} devices"
    terminal.say(f"the name is dropped here, with {number}")


# ---- words


def _grant_lines(grant: AuditGrant) -> Iterator[str]:
    who = "the community" if grant.granting is None else grant.granting
    whom = grant.auditor if grant.subject is None else f"auditor {grant.subject.hex()[:8]} of {grant.auditor}"
    rooms = ", ".join(room.hex()[:_HEX_ID] for room in grant.rooms)
    everything = "the whole log" if grant.granting is None else f"all rooms that {grant.granting} owns"
    yield f"audit grant {grant.id.hex()}: {who} lets {whom} read {rooms or everything}"
    if grant.since_ms is not None or grant.until_ms is not None:
        yield _accepted(grant.since_ms, grant.until_ms)
    if grant.labels:
        yield f"of the labels {', '.join(label.text for label in grant.labels)}"
    yield f"from {clock(grant.not_before_ms)} until {clock(grant.not_after_ms)}, for: {single(grant.purpose)}"


def _hold_lines(hold: LegalHold) -> Iterator[str]:
    what = "releases" if hold.released else "holds"
    rooms = ", ".join(room.hex()[:_HEX_ID] for room in hold.rooms)
    yield f"legal hold {hold.id.hex()}: {hold.organisation} {what} {rooms}, {_accepted(hold.since_ms, None)}"
    yield f"reference {hold.reference.hex()}"


def _accepted(since_ms: int | None, until_ms: int | None) -> str:
    since = f"accepted at {clock(since_ms)} or later" if since_ms else "from its beginning"
    return since if until_ms is None else f"{since}, before {clock(until_ms)}"


# ---- documents of two parties


def _end(
    file: Path, kind: Armour, ended: Callable[[Profile, bytes], Document], out: Path | None, common: Options
) -> None:
    """Write the end of a document of two parties, signed by the first."""
    data = files.read_armoured(file, kind)
    files.check_new(out)
    with opening.profile(common) as profile:
        made = ended(profile, data)
    _hand_over(made, out)


def _hand_over(document: Document, out: Path | None, lines: Iterable[str] = ()) -> None:
    """Write what the first party has signed, and say who signs next."""
    files.write_file(out, armour(_ARMOUR[type(document)], document.endorsed.encode()))
    for line in lines:
        terminal.say(line)
    if isinstance(document, AuditGrant) and document.granting is None:
        terminal.say(
            "next: other organisations run `amanah org countersign FILE`, as many as sign a roster, at least two"
        )
    else:
        terminal.say("next: a custodian runs `amanah org countersign FILE`; one party alone is refused")


# ---- arguments


def _bytes(text: str, what: str) -> bytes:
    try:
        data = bytes.fromhex(text.strip())
    except ValueError:
        data = b""
    if len(data) != 16:
        hint = "`amanah room show`, `amanah audit verify` and `amanah org show --json` show whole ids."
        raise UsageError(Code.USAGE, f"{text!r} is not {what} of 32 hex digits", hint=hint)
    return data


def _milliseconds(at: datetime | None) -> int | None:
    if at is None:
        return None
    moment = at if at.tzinfo else at.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)
