"""`amanah audit export`, `add-disclosures` and `check`: the record as one file, and what others do with it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from amanah_client.audit import evidence as log_evidence
from amanah_client.audit import local
from amanah_client.audit.anchors import anchor_of_policy, anchor_of_rosters, check_log, decode_rosters
from amanah_client.audit.bundle import MAGIC, MAX_DISCLOSURES, Bundle, Disclosed
from amanah_client.audit.bundle_check import check_bundle, open_disclosures, own_anchor, verify_remembered
from amanah_client.audit.disclosed import prove
from amanah_client.audit.examination import Anchor, examine
from amanah_client.audit.export import (
    Exporter,
    Sources,
    Span,
    Views,
    chosen_rooms,
    exporter_of,
    selected_rooms,
    shown_rows,
    write_bundle,
)
from amanah_client.audit.export_entries import csv_pieces, json_pieces
from amanah_client.audit.export_pdf import render_pdf
from amanah_client.audit.export_report import render_html, view_of
from amanah_client.audit.exported import check_exported
from amanah_client.audit.record import Report
from amanah_client.audit.report import Finding, Findings
from amanah_client.audit.stamps import Trust, load_roots
from amanah_client.audit.table import Filter, counted, lines
from amanah_client.cli import audit_json, audit_words, evidence_words, files, opening, terminal
from amanah_client.cli.audit_copy import verify_copy
from amanah_client.cli.audit_files import opened, seekable, write_new
from amanah_client.cli.audit_words import milliseconds, raise_for, raise_unanchored
from amanah_client.cli.files import File
from amanah_client.cli.terminal import DEFAULTS, Options
from amanah_client.home import Profile, find_home
from amanah_client.labels import somebody
from amanah_protocol import cose
from amanah_protocol.cards import Armour, armour_kind, decode_armour
from amanah_protocol.custody.grants import AuditGrant
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import Code, DecodeError, PeerError, UsageError, VerifyError
from amanah_protocol.identity import decode_certificate
from amanah_protocol.log.disclosure import decode_disclosure
from amanah_protocol.log.policy import decode_policy, encode_policy
from amanah_protocol.log.proof_file import PROOF_HEADER
from amanah_protocol.roster import Relay

_MAX_TEXT_BYTES: Final = 64 * 1024 * 1024
_CHECKED: Final = (
    "Give what `amanah disclose` or one of the verbs export, evidence and prove of `amanah audit` wrote; of a COSE "
    "receipt the receipt itself, with its entry beside it in FILE.entry."
)


def export(
    file: File,
    /,
    *,
    room: tuple[str, ...] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    common: Options = DEFAULTS,
) -> None:
    """Write the record as one evidence bundle that anybody verifies offline: `amanah audit check FILE`.

    The copy is verified first; the manifest is signed by this device. What is left out is there as a bare hash, so
    that the whole log still verifies. Nothing is overwritten.

    Example: amanah audit export evidence.amanah --room 4f2a --until 2026-12-01

    Parameters
    ----------
    file
        Where to write it; `-` for standard output.
    room
        First digits of the id of a room to show; may be given again. All rooms by default.
    since
        Leave out rooms in which nothing was accepted from this time (UTC) on. A room that is shown is there from its
        beginning: who could read what follows from it. Tables and reports begin at this time.
    until
        Leave out what was accepted later.
    """
    files.check_new(file)
    span = Span(
        rooms=tuple(digits.strip().lower() for digits in room),
        since_ms=0 if since is None else milliseconds(since),
        until_ms=None if until is None else milliseconds(until),
    )
    with opening.profile(common) as profile:
        report, anchor = verify_copy(profile), local.trusted(profile)
        exporter = _exporter(profile, report)
        report, sources = _narrowed(report, _sources_of(profile, anchor), anchor, local.grant_of(profile.store), span)
        report, _ = local.examined_stamps(profile.store, report, None, now_ms=exporter.now_ms)
        _write(file, sources, report, exporter, span.since_ms)
    raise_for(report)


def add_disclosures(bundle: File, /, *disclosure: File, out: File, common: Options = DEFAULTS) -> None:
    """Write a bundle anew with disclosed messages in it; every other message stays closed.

    Each file of `amanah disclose` is held against the bundle, and against its message's label as the record has it now:
    what is TLP:AMBER+STRICT or TLP:RED by then stays out of a file that anybody may get. The new manifest is signed by
    this device, whose certificate has to stand in the record.

    Example: amanah audit add-disclosures evidence.amanah disclosed.txt --out opened.amanah

    Parameters
    ----------
    bundle
        The bundle, as `amanah audit export` wrote it.
    disclosure
        Files that `amanah disclose` wrote.
    out
        Where to write the new bundle; `-` for standard output.
    """
    if not disclosure:
        raise UsageError(Code.USAGE, "no disclosure was named", hint="`amanah disclose` writes one.")
    files.check_new(out)
    added = [_disclosed(path) for path in disclosure]
    with opening.profile(common) as profile, _bundle(bundle) as found:
        anchor = local.trusted(profile)
        checked = check_bundle(found, anchor)
        raise_for(checked.report)
        known = tuple(found.disclosures())
        fresh = tuple(one for one in dict.fromkeys(added) if one not in known)
        if len(known) + len(fresh) > MAX_DISCLOSURES:
            raise UsageError(Code.TOO_LARGE, f"a bundle discloses at most {MAX_DISCLOSURES} messages")
        refused: list[Finding] = []
        shown = (*known, *fresh)
        messages = tuple(open_disclosures(shown, checked.report.record, found.row, Findings(refused.append)))
        if refused:
            hint = "Get both files again: the disclosure is of another record, or one of them was changed."
            what = f"a disclosure does not fit this bundle: {refused[0].text} [{refused[0].code}]"
            raise VerifyError(Code.RECORD, what, hint=hint)
        me = somebody(decode_certificate(profile.store.snapshot().certificate))
        for one in messages:  # also what another put there: this device signs the new file
            check_exported(one, checked.report.record, by=me)
        sources = Sources(
            rows=found.rows,
            checkpoint=found.checkpoint,
            published=found.checkpoints,
            control_head=found.control_head,
            policy=found.part("policy").read(found.part("policy").size),
            rosters=found.rosters,
            timestamps=found.timestamps,
            disclosures=shown,
            opened=messages,
        )
        _write(out, sources, checked.report, _exporter(profile, checked.report), 0)


def check(
    file: File,
    /,
    *,
    policy: File | None = None,
    roster: File | None = None,
    remembered: tuple[File, ...] = (),
    tsa: File | None = None,
    common: Options = DEFAULTS,
) -> None:
    """Check a bundle, a disclosure, evidence or a proof: no relay, no key, no network. Exit code 5 if it does not hold.

    Without a policy it is held against --roster, else against the roster of this profile; without any,
    it can only be consistent in itself, which is said, and is not enough: exit code 5.

    Example: amanah audit check evidence.amanah --policy community.policy --roster community.roster

    Parameters
    ----------
    file
        The file; `-` for standard input.
    policy
        A trust policy (`amanah roster show --policy` prints one).
    roster
        A roster's file, where neither the file nor this profile holds it.
    remembered
        A checkpoint of the log that you have seen before: a bundle has to continue it.
    tsa
        Root certificates, in PEM, of the time-stamping authorities that are trusted: those that the policy names, or
        all of them where it names none.
    """
    with opened(file) as (stream, magic):
        if magic == MAGIC:
            with seekable(stream, magic) as whole:
                seen = tuple(map(files.read_file, remembered))
                _check_bundle(Bundle(whole), policy, roster, seen, tsa, common)
            return
        data = magic + stream.read(_MAX_TEXT_BYTES)
    if remembered:
        raise UsageError(Code.USAGE, "only an evidence bundle is held against a remembered checkpoint")
    if data.startswith(PROOF_HEADER):
        _check_proof(data, policy, roster, common)
        return
    if data.startswith(cose.TAG):
        _check_receipt(file, data, policy, roster, common)
        return
    text = data.decode("utf-8", "replace")
    match armour_kind(text):
        case Armour.DISCLOSURE:
            _check_disclosure(_decode_armour(text), policy, roster, common)
        case Armour.EVIDENCE:
            _check_evidence(text, policy, roster, common)
        case found:
            what = f"this is {found!s}" if found else "this is none of them"
            detail = f"an evidence bundle, a disclosure, evidence or a proof is wanted, {what}"
            raise DecodeError(Code.BAD_TYPE, detail, hint=_CHECKED)


# ---- writing


def _sources_of(profile: Profile, anchor: Anchor) -> Sources:
    """The whole copy, as it may go into a file."""
    store = profile.store
    note, size = local.copied(store)
    return Sources(
        rows=lambda: store.copy.rows(0, size),
        checkpoint=note,
        published=lambda: store.copy.checkpoints(size),
        control_head=local.copied_head(store),
        policy=encode_policy(anchor.policy),
        timestamps=lambda: local.copied_stamps(store, size),
        rosters=tuple({known.value.version: known.value.endorsed.encode() for known in anchor.rosters}.values()),
    )


def _narrowed(
    report: Report, sources: Sources, anchor: Anchor, grant: AuditGrant | None, span: Span
) -> tuple[Report, Sources]:
    """What a file shows of a verified copy, and the report on that alone."""
    parts = selected_rooms(report.record, grant)
    if parts:
        number = counted(len(parts), "room")
        terminal.say(f"left out, since a grant shows a selection of it and nothing proves the rest: {number}")
    elif span.is_whole:
        return report, sources
    rooms = chosen_rooms(report.record, span) - parts
    hidden = frozenset(chain for chain, room in report.record.custody_chains().items() if room not in rooms)
    narrowed = replace(sources, rows=lambda: shown_rows(sources.rows(), rooms, hidden, span.until_ms))
    # What the file shows is what its tables and reports are made of, and nothing that it leaves out.
    examined = examine(
        narrowed.rows(),
        checkpoint=sources.checkpoint,
        anchor=anchor,
        control_head=sources.control_head,
        published=sources.published(),
    )
    return examined, narrowed


def _exporter(profile: Profile, report: Report) -> Exporter:
    certificate = decode_certificate(profile.store.snapshot().certificate)
    return exporter_of(report.record, profile.device_key, certificate, now_ms())


def now_ms() -> int:
    """The clock that an export names."""
    return time.time_ns() // 1_000_000


def _write(file: Path, sources: Sources, report: Report, exporter: Exporter, since_ms: int) -> None:
    """Write a bundle, on the way in a folder beside it, which only this user can read."""
    view, wanted = view_of(report, exporter, since_ms, sources.opened), Filter(since_ms=since_ms)
    views: Views = {
        "entries.csv": lambda: csv_pieces(lines(report, wanted)),
        "entries.jsonl": lambda: json_pieces(lines(report, wanted)),
        "report.html": lambda: render_html(view),
        "report.pdf": lambda: render_pdf(view, exporter.now_ms),
    }
    beside = None if str(file) == "-" else file.absolute().parent
    try:
        with tempfile.TemporaryDirectory(prefix=".amanah-export-", dir=beside) as folder:
            digest = write_new(file, write_bundle(sources, report, exporter, views, Path(folder)))
    except OSError as error:
        raise terminal.operational(error, file) from error
    terminal.say(
        f"{counted(report.size, 'leaf', 'leaves')}, sha256 {digest}; {audit_words.check_words(file)}, "
        "with a policy that its reader has from somebody else"
    )


def _disclosed(path: Path) -> Disclosed:
    """What a file of `amanah disclose` opens; that it fits is found where it is held against a bundle."""
    data = _decode_armour(files.read_file(path).decode("utf-8", "replace"))
    try:
        disclosure = decode_disclosure(data)
        return decode_envelope(disclosure.envelope).id, disclosure.k, disclosure.content
    except DecodeError as error:
        raise _damaged(error) from error


# ---- checking


@contextmanager
def _bundle(path: Path) -> Iterator[Bundle]:
    with opened(path) as (stream, magic):
        if magic != MAGIC:
            hint = "Give a file that the verb export of `amanah audit` wrote."
            raise DecodeError(Code.BAD_TYPE, "an evidence bundle is wanted", hint=hint)
        with seekable(stream, magic) as whole:
            yield Bundle(whole)


def _check_bundle(
    bundle: Bundle,
    policy: Path | None,
    roster: Path | None,
    remembered: tuple[bytes, ...],
    tsa: Path | None,
    common: Options,
) -> None:
    if policy is not None:
        check_log(decode_policy(files.read_file(policy)), bundle.head.origin)
    anchor = _anchor(policy, roster, common, *bundle.rosters) or own_anchor(bundle)
    for note in remembered if anchor.name else ():
        _check_remembered(note, anchor)
    # What a bundle's own policy says of authorities proves nothing; the file with their roots is the auditor's.
    roots = () if tsa is None else load_roots(files.read_file(tsa), anchor.policy if policy is not None else None)
    checked = check_bundle(bundle, anchor, remembered, Trust(roots=roots, now_ms=now_ms()))
    if common.json:
        terminal.show_json(audit_json.checked_json(checked))
    else:
        audit_words.show_checked(checked)
    raise_for(checked.report)
    raise_unanchored(anchor.name)


def _check_remembered(note: bytes, anchor: Anchor) -> None:
    """What was kept is what the log signed, before a bundle is said not to continue it."""
    try:
        verify_remembered(note, anchor.policy)
    except PeerError as error:
        hint = "Give a checkpoint of this log as it was signed: `checkpoint` in an earlier bundle."
        raise UsageError(error.code, error.detail, hint=hint) from error


def _check_disclosure(data: bytes, policy: Path | None, roster: Path | None, common: Options) -> None:
    anchor = _anchor(policy, roster, common)
    try:
        decoded = decode_disclosure(data)
    except DecodeError as error:
        raise _damaged(error) from error
    try:
        proven = prove(decoded, anchor)
    except PeerError as error:
        again = "Ask for it anew: what is disclosed later stands under a checkpoint that the witnesses have cosigned."
        hint = again if error.code is Code.THRESHOLD else None
        detail = f"the disclosure does not hold: {error.detail} [{error.code}]"
        raise VerifyError(Code.RECORD, detail, hint=hint) from error
    if common.json:
        terminal.show_json(audit_json.proven_json(proven))
    else:
        audit_words.show_proven(proven)
    raise_unanchored(proven.anchor)


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


def _decode_armour(text: str) -> bytes:
    try:
        return decode_armour(text, Armour.DISCLOSURE)
    except DecodeError as error:
        raise _damaged(error) from error


def _check_proof(data: bytes, policy: Path | None, roster: Path | None, common: Options) -> None:
    from amanah_client.cli.audit_prove import check_proof_file  # noqa: PLC0415 - other files do without the questions

    if policy is not None:
        # The keys of log and witnesses stand in the policy itself: no roster is needed for a proof.
        check_proof_file(data, decode_policy(files.read_file(policy)), "the policy file", common)
        return
    anchor = _anchor(None, roster, common)
    if anchor is None:
        hint = (
            "Give --policy FILE or --roster FILE, from somebody other than who gave you the proof "
            "(`amanah roster show --policy` prints a policy): without the keys of log and witnesses it says nothing."
        )
        raise UsageError(Code.UNANCHORED, "there is nothing to hold the proof against", hint=hint)
    check_proof_file(data, anchor.policy, anchor.name, common)


def _check_receipt(file: Path, data: bytes, policy: Path | None, roster: Path | None, common: Options) -> None:
    from amanah_client.cli.audit_prove import check_receipt_file  # noqa: PLC0415 - as above

    check_receipt_file(file, data, *_keys(policy, roster, common), common)


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
