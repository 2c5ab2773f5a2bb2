"""Audit grants: for a time, an auditor reads the metadata of rooms that its own organisation is not in.

Who may grant what:

* an organisation, by two parties (`parties`): rooms that it *owns*, up to where it was in them;
* the community, by the threshold of the roster's organisations and at least two: any room, or the whole log.

A grant never opens content. It is ended by a second one with the same id that says no more than an earlier end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from amanah_protocol import cbor, endorse, limits
from amanah_protocol.cose import Typ
from amanah_protocol.custody.parties import verify_two_parties
from amanah_protocol.endorse import Endorsed
from amanah_protocol.errors import Code, DecodeError, RefusedError, VerifyError
from amanah_protocol.identity import Enrolment
from amanah_protocol.labels import Label
from amanah_protocol.names import check_organisation, decode_organisation
from amanah_protocol.roster import Roster, signing_organisations
from amanah_protocol.types import GrantId, OrgName, PersonId, RoomId
from amanah_protocol.verified import Verified

PURPOSE: Final = "amanah/audit-grant/1"
_LEAST_OF_ALL: Final = 2
"""One organisation alone never opens the record of others, whatever the roster's threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Who may read what, and why.

    Attributes:
        id: 16 random bytes.
        granting: The organisation that grants; None for the community.
        auditor: The organisation whose auditors may read.
        subject: The one person among them; None for all.
        rooms: Rooms, ascending, at most 64; none for all that `granting` owns, or for the whole log.
        since_ms: Only what was accepted then or later.
        until_ms: Only what was accepted before.
        labels: Only envelopes of these labels, ascending; none for all. Who is in is always shown.
        purpose: For people, 1 to 253 characters.
        issued_ms: When it was made.
        not_before_ms: From when on it holds.
        not_after_ms: Until when, at most 366 days later.
    """

    id: GrantId
    granting: OrgName | None
    auditor: OrgName
    subject: PersonId | None = None
    rooms: tuple[RoomId, ...] = ()
    since_ms: int | None = None
    until_ms: int | None = None
    labels: tuple[Label, ...] = ()
    purpose: str
    issued_ms: int
    not_before_ms: int
    not_after_ms: int

    @property
    def is_selection(self) -> bool:
        """Whether entries may be missing inside of what it shows of a room, so that nothing proves it complete."""
        return self.since_ms is not None or bool(self.labels)

    @property
    def is_partial(self) -> bool:
        """Whether it shows less of a room than stands there: a selection, or nothing from a time on."""
        return self.is_selection or self.until_ms is not None

    @property
    def is_whole_log(self) -> bool:
        """Whether it opens what no room is named for."""
        return self.granting is None and not self.rooms

    def shows(self, accepted_at_ms: int, label: Label | None) -> bool:
        """Whether an entry of a granted room is shown.

        Args:
            accepted_at_ms: When it was accepted.
            label: Its label; None for what makes a room or changes who is in, without which nobody could say
                who could read the rest.
        """
        if self.until_ms is not None and accepted_at_ms >= self.until_ms:
            return False
        if label is None:
            return True
        if self.since_ms is not None and accepted_at_ms < self.since_ms:
            return False
        return not self.labels or label in self.labels


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditGrant(Terms):
    """A grant as it is logged.

    Attributes:
        endorsed: The document with its signatures.
    """

    endorsed: Endorsed


def grant_document(terms: Terms) -> bytes:
    """The canonical document, ready to be signed."""
    return cbor.encode([
        PURPOSE, terms.id, terms.granting, terms.auditor, terms.subject, sorted(set(terms.rooms)),
        terms.since_ms, terms.until_ms, sorted({int(label) for label in terms.labels}), terms.purpose,
        terms.issued_ms, terms.not_before_ms, terms.not_after_ms,
    ])  # fmt: skip


def ending_document(grant: AuditGrant, *, now_ms: int) -> bytes:
    """The document that ends a grant now."""
    end_ms = min(max(now_ms, grant.not_before_ms), grant.not_after_ms - 1)
    return grant_document(replace(grant, issued_ms=max(now_ms, grant.issued_ms + 1), not_after_ms=end_ms))


def decode_grant(data: bytes) -> AuditGrant:
    """Decode a grant and check that its parts agree; signatures are not verified here.

    Raises:
        DecodeError: It does not parse, or its times or its purpose do not make sense.
    """
    endorsed = endorse.decode_endorsed(data)
    f = cbor.Fields(cbor.decode(endorsed.document, max_bytes=limits.MAX_CUSTODY_BYTES), 13, "audit grant")
    endorse.check_purpose(f, PURPOSE)
    grant = AuditGrant(
        id=GrantId(f.fixed(16)),
        granting=_organisation(f.optional_text(limits.MAX_NAME_CHARS)),
        auditor=decode_organisation(f),
        subject=_person(f.optional_fixed(16)),
        rooms=tuple(RoomId(room) for room in f.sorted_array(16, limits.MAX_GRANTED_ROOMS)),
        since_ms=f.optional_uint(),
        until_ms=f.optional_uint(),
        labels=_labels(f.array(len(Label))),
        purpose=f.text(limits.MAX_NAME_CHARS),
        issued_ms=f.uint(),
        not_before_ms=f.uint(),
        not_after_ms=f.uint(),
        endorsed=endorsed,
    )
    if not grant.purpose.strip() or not grant.purpose.isprintable():
        raise DecodeError(Code.BAD_TYPE, "a grant says in one line what it is for")
    if not 0 <= grant.not_after_ms - grant.not_before_ms <= limits.GRANT_MS:
        raise DecodeError(Code.BAD_TYPE, "a grant holds for at most a year")
    if grant.since_ms is not None and grant.until_ms is not None and grant.since_ms >= grant.until_ms:
        raise DecodeError(Code.BAD_TYPE, "the period of a grant ends after it begins")
    return grant


def verify_grant(grant: AuditGrant, enrolment: Enrolment | None, roster: Verified[Roster]) -> Verified[AuditGrant]:
    """Those signed it who may grant this.

    Args:
        grant: The grant.
        enrolment: The enrolment key that is said to have signed, in force; None for a grant of the community.
        roster: The roster in force.

    Raises:
        DecodeError: A signature was made for something else.
        VerifyError: `THRESHOLD`, `CERTIFICATE`, `SIGNATURE` or `BINDING`.
    """
    if grant.granting is not None:
        if enrolment is None:
            raise VerifyError(Code.CERTIFICATE, f"no enrolment key of {grant.granting} that is logged has signed")
        organisation = roster.value.organisation(grant.granting)
        verify_two_parties(grant.endorsed, Typ.AUDIT_GRANT, enrolment=enrolment, organisation=organisation)
        return Verified(grant)
    signed = signing_organisations(grant.endorsed, roster.value, Typ.AUDIT_GRANT)
    needed = max(roster.value.threshold, _LEAST_OF_ALL)
    if len(signed) < needed:
        raise VerifyError(Code.THRESHOLD, f"{len(signed)} of {needed} organisations have signed")
    return Verified(grant)


def check_ends(grant: AuditGrant, before: AuditGrant) -> None:
    """A second grant of one id ends the first and says nothing else.

    Raises:
        VerifyError: `ROLLBACK`.
    """
    same = replace(
        grant, issued_ms=before.issued_ms, not_after_ms=before.not_after_ms, endorsed=before.endorsed
    )  # fmt: skip
    if same != before or grant.issued_ms <= before.issued_ms or grant.not_after_ms >= before.not_after_ms:
        raise VerifyError(Code.ROLLBACK, "a grant of this id was logged, and this is not an earlier end of it")


def check_reader(grant: AuditGrant, organisation: OrgName, subject: PersonId, at_ms: int) -> None:
    """An auditor may read under a grant at this time.

    Raises:
        RefusedError: `ROLE` for another auditor; `EXPIRED`.
    """
    if organisation != grant.auditor or grant.subject not in (None, subject):
        raise RefusedError(Code.ROLE, "the grant is another auditor's")
    if not grant.not_before_ms <= at_ms < grant.not_after_ms:
        hint = "Ask those who granted it for a new one."
        raise RefusedError(Code.EXPIRED, "the audit grant does not hold at this time", hint=hint)


def _organisation(name: str | None) -> OrgName | None:
    return None if name is None else check_organisation(name)


def _person(subject: bytes | None) -> PersonId | None:
    return None if subject is None else PersonId(subject)


def _labels(items: list[cbor.Value]) -> tuple[Label, ...]:
    f = cbor.Fields(items, None, "labels of a grant")
    labels = tuple(Label(f.uint(Label.RED)) for _ in items)
    if list(labels) != sorted(set(labels)):
        raise DecodeError(Code.BAD_TYPE, "the labels of a grant ascend")
    return labels
