"""Grants, granted reads, holds and erasures as the log shows them: who signed, and whether they might.

What is not wrong goes into the register, where `amanah audit retention` and other questions find it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from amanah_client.audit.copies import Copies
from amanah_client.audit.doubts import Doubts
from amanah_client.audit.identities import Identities, beside, check_alone, check_issued, check_record
from amanah_client.audit.register import Register
from amanah_client.audit.report import Findings
from amanah_client.audit.room import RoomHistory
from amanah_protocol.audit import ReadingOrder, audit_chain, order_device, verify_order
from amanah_protocol.cose import Typ
from amanah_protocol.custody.chain import custody_chain
from amanah_protocol.custody.erasures import ContentErasure, PersonErasure, erased_digest, verify_erasure
from amanah_protocol.custody.grants import AuditGrant, check_ends, check_reader, decode_grant, verify_grant
from amanah_protocol.custody.holds import LegalHold, check_releases, decode_hold, verify_hold
from amanah_protocol.endorse import named_signers
from amanah_protocol.errors import Code, PeerError, VerifyError
from amanah_protocol.identity import Certificate, Role
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.types import GrantId, HoldId, KeyId, OrgName, RoomId


class Custody:
    """What concerns the record of rooms, as far as the log was read."""

    def __init__(
        self,
        identities: Identities,
        findings: Findings,
        register: Register,
        history: Callable[[RoomId], RoomHistory | None],
    ) -> None:
        """Go on behind what the register knows.

        Args:
            identities: Who is who up to the entry that is taken next.
            findings: Where doubts are noted.
            register: Where what holds is put.
            history: A room as far as it was read; None for one of which no entry is in scope.
        """
        self._identities = identities
        self._findings = findings
        self._register = register
        self._history = history
        self.chains = {custody_chain(room): room for room in register.known_rooms()}
        """Custody chain -> its room, of rooms in scope."""
        self.copies = Copies(register.progress.owed)
        """Whether grants and holds stand in each of their chains."""
        self.doubts = Doubts(register.progress.doubts)
        """Whether holds still stood when names were forgotten."""
        self._told = set(register.progress.told)
        self._grants: dict[GrantId, AuditGrant] = {}
        self._holds: dict[HoldId, LegalHold] = {}
        for document in register.grants():
            grant = decode_grant(document)
            self._grants[grant.id] = grant
        for document in register.holds():
            hold = decode_hold(document)
            self._holds[hold.id] = hold

    def know(self, room: RoomId) -> None:
        """A room of which an entry is in scope."""
        self.chains[custody_chain(room)] = room

    @property
    def told(self) -> tuple[tuple[RoomId, GrantId], ...]:
        """Custody chains, each with a grant that names no rooms and stands there."""
        return tuple(sorted(self._told))

    def insiders(self) -> dict[RoomId, frozenset[OrgName]]:
        """Custody chain -> organisations that are in its room now, of rooms in scope."""
        rooms = {chain: self._history(room) for chain, room in self.chains.items()}
        return {
            chain: frozenset(name for name, _ in history.circle.nations)
            for chain, history in rooms.items()
            if history is not None
        }

    def take(self, index: int, leaf: Leaf, document: bytes | None) -> None:
        """Verify an entry that is neither an envelope nor of the control stream.

        Raises:
            PeerError: It does not hold; nothing of it is put into the register.
        """
        match leaf.type:
            case LeafType.AUDIT_GRANT:
                self._grant(index, leaf, beside(document))
            case LeafType.LEGAL_HOLD:
                self._hold(index, leaf, beside(document))
            case LeafType.ERASURE:
                check_alone(document)
                self._erasure(index, leaf)
            case _:
                check_alone(document)
                self._read(index, leaf)

    # ---- grants, and what is read under them

    def _grant(self, index: int, leaf: Leaf, document: bytes) -> None:
        grant = decode_grant(document)
        check_record(leaf, grant.endorsed.record)
        parties = tuple(name for name in (grant.auditor, grant.granting) if name is not None)
        chains = {*map(audit_chain, parties), *map(custody_chain, grant.rooms)}
        self._check_chain(leaf, grant, chains)
        if leaf.room in self.chains and not grant.rooms:
            self._told.add((leaf.room, grant.id))
        known = self._grants.get(grant.id)
        if known is not None and known.endorsed.document == grant.endorsed.document:
            return  # it stands in the chain of each room that it concerns
        at_ms = leaf.accepted_at_ms
        enrolment = None
        if grant.granting is not None:
            signers = named_signers(grant.endorsed, Typ.AUDIT_GRANT)
            enrolment = self._identities.signing_enrolment(map(KeyId, signers), grant.granting, at_ms)
        verify_grant(grant, enrolment, self._identities.roster)
        check_issued(grant.issued_ms, at_ms)
        if known is not None:
            check_ends(grant, known)
        elif at_ms >= grant.not_after_ms:
            raise VerifyError(Code.EXPIRED, "a grant was logged that was over already")
        for room in grant.rooms:
            self._check_owner(grant, room)
        self._grants[grant.id] = grant
        self._register.put_grant(index, grant.id, document)
        self.copies.expect(index, leaf, chains, parties)

    def _check_chain(self, leaf: Leaf, grant: AuditGrant, chains: set[RoomId]) -> None:
        """It stands with the organisations, or with a room that it concerns, and nowhere else."""
        room = self.chains.get(leaf.room)
        if leaf.room in chains:
            return
        if grant.rooms or room is None:
            raise VerifyError(Code.BINDING, "an audit grant stands in a chain that it does not concern")
        self._check_owner(grant, room)

    def _check_owner(self, grant: AuditGrant, room: RoomId) -> None:
        history = self._history(room)
        if grant.granting is None or history is None or history.owner is None:
            return  # the community grants any room; of one that is out of scope nothing is known here
        if history.owner != grant.granting:
            raise VerifyError(Code.MEMBERSHIP, f"{grant.granting} granted a room that {history.owner} owns")

    def _read(self, index: int, leaf: Leaf) -> None:
        certificate = self._identities.check_usable(order_device(leaf.object), leaf.accepted_at_ms)
        if certificate.role is not Role.AUDITOR:
            raise VerifyError(Code.ROLE, f"a {certificate.role.name.lower()} read the log as an auditor")
        order = verify_order(leaf.object, certificate.public_key).value
        own = leaf.room == audit_chain(certificate.organisation)
        if not own and leaf.room not in self.chains:
            raise VerifyError(Code.BINDING, "the reading order stands in another organisation's chain")
        room = None if own else self.chains[leaf.room]
        self._check_granted(order, certificate, leaf.accepted_at_ms, room)
        device = self._register.device(certificate.device_id)
        self._register.put_read(index, room, device.number, order)

    def _check_granted(
        self, order: ReadingOrder, certificate: Certificate, at_ms: int, room: RoomId | None
    ) -> None:  # fmt: skip
        if order.grant is None:
            if room is not None:
                raise VerifyError(Code.BINDING, "an order without a grant stands in the custody of a room")
            return
        grant = self._grants.get(GrantId(order.grant))
        if grant is None:
            raise VerifyError(Code.NOT_FOUND, "an auditor reads under a grant that stands nowhere in the log before")
        check_reader(grant, certificate.organisation, certificate.subject, at_ms)
        if room is None:
            return
        if grant.rooms and room not in grant.rooms:
            raise VerifyError(Code.BINDING, "an auditor read a room that its grant does not name")
        # A grant may have been logged before its room was, and named it all the same.
        self._check_owner(grant, room)
        if not grant.rooms and (custody_chain(room), grant.id) not in self._told:
            raise VerifyError(Code.NOT_FOUND, "a room was read under a grant that does not stand in its custody before")

    # ---- holds

    def _hold(self, index: int, leaf: Leaf, document: bytes) -> None:
        hold = decode_hold(document)
        check_record(leaf, hold.endorsed.record)
        chains = _chains_of(hold)
        if leaf.room not in chains:
            raise VerifyError(Code.BINDING, "a legal hold stands in a chain that it does not concern")
        known = self._holds.get(hold.id)
        if known is not None and known.endorsed.document == hold.endorsed.document:
            return
        signers = named_signers(hold.endorsed, Typ.LEGAL_HOLD)
        at_ms = leaf.accepted_at_ms
        enrolment = self._identities.signing_enrolment(map(KeyId, signers), hold.organisation, at_ms)
        verify_hold(hold, enrolment, self._identities.roster)
        check_issued(hold.issued_ms, at_ms)
        if known is not None:
            check_releases(hold, known)
        elif hold.released:
            raise VerifyError(Code.NOT_FOUND, "a hold is released that stands nowhere in the log before")
        else:
            self._check_inside(hold)
        self._holds[hold.id] = hold
        self._register.put_hold(index, at_ms, hold, document)
        self.copies.expect(index, leaf, chains, (hold.organisation,))

    def _check_inside(self, hold: LegalHold) -> None:
        for room in hold.rooms:
            history = self._history(room)
            if history is not None and hold.organisation not in {name for name, _ in history.circle.nations}:
                raise VerifyError(Code.MEMBERSHIP, f"{hold.organisation} holds a room that it is not in")

    # ---- what was dropped

    def _erasure(self, index: int, leaf: Leaf) -> None:
        erasure = self._said_by_relay(leaf)
        if leaf.room != custody_chain(erasure.room):
            raise VerifyError(Code.BINDING, "a statement of erasure stands in a chain that it does not concern")
        history = self._history(erasure.room)
        if history is None:
            return
        stood = self._register.places(history.number, erasure.places)
        if not history.partial:
            self._check_stood(erasure, stood)
        self._check_not_held(index, erasure, stood)
        self._register.put_erasure(index, history.number, erasure)

    def _said_by_relay(self, leaf: Leaf) -> ContentErasure:
        refusal: PeerError = VerifyError(Code.SIGNATURE, "no relay of the roster signed the statement of erasure")
        for relay in self._identities.roster.value.relays:
            try:
                return verify_erasure(leaf.object, relay.key).value
            except PeerError as error:
                refusal = error
        raise refusal

    def _check_stood(self, erasure: ContentErasure, stood: dict[int, tuple[bytes, int]]) -> None:
        known = [(place, stood[place][0]) for place in erasure.places if place in stood]
        if len(known) != len(erasure.places) or erasure.digest != erased_digest(known):
            raise VerifyError(Code.CONTENT_HASH, "a statement of erasure is of other entries than stand there")

    def _check_not_held(self, index: int, erasure: ContentErasure, stood: dict[int, tuple[bytes, int]]) -> None:
        newest = max((accepted for _, accepted in stood.values()), default=0)
        for hold in self._standing():
            if erasure.room in hold.rooms and newest >= hold.since_ms:
                text = f"content was erased while a legal hold of {hold.organisation} stood"
                self._findings.fault(index, Code.RECORD, text)

    def check_forgotten(self, index: int, erasure: PersonErasure) -> None:
        """Whose name was forgotten, which holds, may have written in a room that a hold keeps, as far as it is here.

        Whether the hold still stood is not known yet: its release may stand in chains that are not shown.
        """
        for hold in self._standing():
            histories = filter(None, map(self._history, hold.rooms))
            if any(history.heard(erasure.organisation, erasure.subject) for history in histories):
                self.doubts.add(index, hold.organisation, _chains_of(hold))

    def decide(self, leaf: Leaf, *, follows: bool) -> None:
        """Name what was forgotten under a hold, where the next entry of a chain shows that it still stood.

        Args:
            leaf: The entry.
            follows: Whether it follows the newest entry of its chain that was seen.
        """
        for index, organisation in self.doubts.decide(leaf, follows=follows).items():
            text = f"a name was forgotten while a legal hold of {organisation} stood on a room where it wrote"
            self._findings.fault(index, Code.RECORD, text)

    def undecided(self) -> dict[int, str]:
        """Where names were forgotten, and what is not known of each, in words."""
        return {
            doubt.at: f"a name was forgotten behind a legal hold of {doubt.organisation} on a room where it wrote; "
            "whether the hold was released before is not shown here"
            for doubt in reversed(self.doubts.left)
        }

    def _standing(self) -> Iterator[LegalHold]:
        """Holds that are not released, of organisations of the roster in force: who has left it releases none."""
        members = self._identities.roster.value.by_name
        return (hold for hold in self._holds.values() if not hold.released and hold.organisation in members)


def _chains_of(hold: LegalHold) -> set[RoomId]:
    return {audit_chain(hold.organisation), *map(custody_chain, hold.rooms)}
