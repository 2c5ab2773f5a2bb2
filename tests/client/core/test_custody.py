"""What members of a room learn of grants, reads, holds and erasures, and what does not pass for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from amanah_client import actions, model
from amanah_client.core import expiry, granted
from amanah_client.log_rows import FLAWED, CustodyRow
from amanah_protocol import frames
from amanah_protocol.audit import ReadingOrder, sign_order
from amanah_protocol.content.bodies import Profile
from amanah_protocol.content.sealed import decode_content
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import SigningKey
from amanah_protocol.custody.chain import custody_chain
from amanah_protocol.custody.erasures import Cause, ContentErasure, sign_erasure
from amanah_protocol.custody.grants import Terms, decode_grant, ending_document
from amanah_protocol.custody.holds import decode_hold
from amanah_protocol.custody.retention import RoomPolicy
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.heads import RoomHead, sign_room_head
from amanah_protocol.identity import Role, decode_certificate, decode_profile
from amanah_protocol.kinds import Create, Kind
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import GrantId, KeyId, LeafHash, OrgName, PersonId, RoomId
from tests.client.core.granting import do, grant
from tests.client.core.rooms import two
from tests.client.core.world import MA, SN, TN, Client, Stage
from tests.relay.people import DAY_MS, RELAY_KEY

GRANT = GrantId(b"g" * 16)
DONE = model.IntentState.DONE
STORED, ERASED = model.MessageState.STORED, model.MessageState.ERASED


class Watched:
    """A room of TN with a member of MA, and an auditor of SN who is granted it."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.a, self.b, self.room = two(self.stage)
        self.auditor = self.stage.online("auditor", of=SN, role=Role.AUDITOR)

    def terms(self, **changes: Any) -> Terms:  # noqa: ANN401 - fields of a grant
        now = self.stage.relay.now_ms
        fields: dict[str, Any] = {
            "id": GRANT,
            "granting": OrgName(TN),
            "auditor": OrgName(SN),
            "rooms": (self.room,),
            "purpose": "joint review 7",
            "issued_ms": now,
            "not_before_ms": now - 1_000,
            "not_after_ms": now + DAY_MS,
        }
        return Terms(**(fields | changes))

    def grant(self, **changes: Any) -> bytes:  # noqa: ANN401 - as `terms`
        """Log a grant of TN."""
        made = self.stage.relay.nations[TN].grant(self.terms(**changes))
        assert self.stage.submit(self.a, LeafType.AUDIT_GRANT, made).state is DONE
        return made

    def hold(self) -> bytes:
        """Log a hold of TN."""
        made = self.made_hold()
        assert self.stage.submit(self.a, LeafType.LEGAL_HOLD, made).state is DONE
        return made

    def made_hold(self, *signers: SigningKey, by: str = TN, **changes: Any) -> bytes:  # noqa: ANN401 - fields of a hold
        """A hold of the room, not logged."""
        relay = self.stage.relay
        return relay.nations[by].hold(self.room, *signers, now_ms=relay.now_ms, **changes)

    def read(self, grant: GrantId = GRANT) -> model.Intent:
        """The auditor copies the log under the grant."""
        intent = self.auditor.ask(actions.AuditSync(grant=grant))
        self.stage.wait(3_000)
        return self.auditor.intent(intent)

    def types(self, client: Client) -> list[int]:
        """What a member knows."""
        return [row.type for row in client.store.custody if row.room == self.room]


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_members_learn_of_a_grant_and_of_each_read_and_nobody_else_does(watched: Watched) -> None:
    stranger = watched.stage.online("stranger", of=SN)
    watched.grant()
    assert watched.read().state is DONE
    known = [LeafType.AUDIT_GRANT, LeafType.AUDIT_READ]
    assert watched.types(watched.a) == watched.types(watched.b) == known
    assert stranger.store.custody == watched.auditor.store.custody == []
    assert watched.a.codes() == watched.b.codes() == []


def test_an_auditor_copies_a_granted_room_whole(watched: Watched) -> None:
    watched.a.say(watched.room, "hello")
    watched.grant()
    assert watched.read().state is DONE
    entries = watched.stage.relay.store.entries
    for chain in (watched.room, custody_chain(watched.room)):
        shown = [
            row.entry is not None
            for row, entry in zip(watched.auditor.store.audit, entries, strict=False)
            if entry.room == chain
        ]
        assert shown, chain
        assert all(shown)
    assert watched.auditor.store.alarms == []


def test_a_read_under_no_grant_ends_the_copy(watched: Watched) -> None:
    intent = watched.read()
    assert (intent.state, intent.code) == (model.IntentState.FAILED, "NOT_FOUND")


def test_who_was_away_learns_it_on_coming_back_and_after_a_restart(watched: Watched) -> None:
    watched.b.disconnect()
    watched.grant()
    assert watched.types(watched.b) == []
    watched.b.connect()
    watched.stage.run()
    assert watched.types(watched.b) == [LeafType.AUDIT_GRANT]
    watched.b.restart()
    watched.b.connect()
    watched.stage.run()
    assert watched.read().state is DONE
    assert watched.types(watched.b) == [LeafType.AUDIT_GRANT, LeafType.AUDIT_READ]
    assert watched.b.codes() == []


def test_holds_and_ends_and_erasures_are_known(watched: Watched) -> None:
    made = watched.grant()
    watched.hold()
    ending = ending_document(decode_grant(made), now_ms=watched.stage.relay.now_ms + 1)
    ended = watched.stage.relay.nations[TN].two_party(ending, Typ.AUDIT_GRANT)
    assert watched.stage.submit(watched.a, LeafType.AUDIT_GRANT, ended).state is DONE
    known = [LeafType.AUDIT_GRANT, LeafType.LEGAL_HOLD, LeafType.AUDIT_GRANT]
    assert watched.types(watched.b) == known
    assert watched.b.codes() == []


# ---- a relay that lies


def forged(
    watched: Watched,
    leaf_type: int,
    data: bytes,
    document: bytes | None = None,
    after: CustodyRow | None = None,
    at: int = 0,
) -> None:
    """Show B an entry of the relay's own making, and a head for it, in answer to its next question."""
    chain = custody_chain(watched.room)

    def toward(frame: frames.Frame) -> list[frames.Frame]:
        if not isinstance(frame, frames.Custody):
            return [frame]
        entry = frames.CustodyEntry(
            sequence=1 if after is None else after.sequence + 1,
            index=at or len(watched.stage.relay.store.entries),
            type=leaf_type,
            accepted_at_ms=watched.stage.relay.now_ms,
            previous=bytes(32) if after is None else after.hash,
            object=data,
            document=document,
        )
        return [frames.Custody(request=frame.request, entries=(entry,), head=head_of(chain, entry))]

    watched.b.toward = toward
    watched.b.disconnect()
    watched.b.connect()
    watched.stage.run()
    watched.b.toward = None


def head_of(chain: RoomId, entry: frames.CustodyEntry) -> bytes:
    from amanah_protocol.log.leaf import Leaf  # noqa: PLC0415 - one use

    leaf = Leaf(
        type=LeafType(entry.type),
        accepted_at_ms=entry.accepted_at_ms,
        room=chain,
        room_seq=entry.sequence,
        previous=LeafHash(entry.previous),
        object=entry.object,
    )
    head = RoomHead(room=chain, room_seq=entry.sequence, leaf=leaf.hash, size=9, time_ms=entry.accepted_at_ms)
    return sign_room_head(head, RELAY_KEY)


Forgery = Callable[[Watched], tuple[int, bytes, bytes | None]]


def of_grant(watched: Watched, *signers: Any, **changes: Any) -> tuple[int, bytes, bytes | None]:  # noqa: ANN401 - fields of a grant
    made = watched.stage.relay.nations[TN].grant(watched.terms(**changes), *signers)
    return LeafType.AUDIT_GRANT, decode_grant(made).endorsed.record, made


def of_hold(watched: Watched, *signers: Any, **changes: Any) -> tuple[int, bytes, bytes | None]:  # noqa: ANN401 - fields of a hold
    made = watched.made_hold(*signers, **changes)
    return LeafType.LEGAL_HOLD, decode_hold(made).endorsed.record, made


def of_read(watched: Watched, by: str = "auditor") -> tuple[int, bytes, bytes | None]:
    client = next(client for client in watched.stage.clients if client.name == by)
    order = ReadingOrder(
        first=0, until=5, ordered_at_ms=watched.stage.relay.now_ms, nonce=bytes(16), grant=GRANT
    )  # fmt: skip
    return LeafType.AUDIT_READ, sign_order(order, client.device.key), None


def of_erasure(watched: Watched, room: RoomId) -> tuple[int, bytes, bytes | None]:
    made = ContentErasure(room=room, places=(1,), digest=bytes(32), cause=Cause.ROOM, erased_at_ms=5)
    return LeafType.ERASURE, sign_erasure(made, RELAY_KEY), None


@pytest.mark.parametrize(
    ("forgery", "code"),
    [
        (lambda w: of_grant(w, w.stage.relay.nations[TN].enrolment_key), "THRESHOLD"),
        (lambda w: of_grant(w, w.stage.relay.nations[SN].enrolment_key), "CERTIFICATE"),
        (lambda w: of_grant(w, rooms=(RoomId(bytes(16)),)), "BINDING"),
        (lambda w: of_grant(w, granting=OrgName(MA)), "CERTIFICATE"),
        (lambda w: (*of_grant(w)[:2], of_grant(w, purpose="another")[2]), "CONTENT_HASH"),
        (lambda w: (*of_grant(w)[:2], None), "CONTENT_HASH"),
        (lambda w: of_hold(w, w.stage.relay.nations[TN].enrolment_key), "THRESHOLD"),
        (lambda w: of_hold(w, rooms=(RoomId(bytes(16)),)), "BINDING"),
        (of_read, "NOT_FOUND"),
        (lambda w: of_read(w, "A"), "ROLE"),
        (lambda w: of_erasure(w, RoomId(bytes(16))), "BINDING"),
    ],
    ids=[
        "one party", "another's key", "other rooms", "another's name", "another document", "no document", "a hold",
        "a hold elsewhere", "no grant", "no auditor", "another room",
    ],
)  # fmt: skip
def test_what_does_not_hold_is_an_alarm_and_kept_as_what_it_is(watched: Watched, forgery: Forgery, code: str) -> None:
    forged(watched, *forgery(watched))
    assert watched.b.codes() == [code]
    assert watched.types(watched.b) == [FLAWED]


@pytest.mark.parametrize("forgery", [of_grant, of_hold, lambda w: of_erasure(w, w.room)])
def test_the_same_made_rightly_is_taken(watched: Watched, forgery: Forgery) -> None:
    forged(watched, *forgery(watched))
    assert watched.b.codes() == []
    assert FLAWED not in watched.types(watched.b)


def held_by(watched: Watched, organisation: str) -> None:
    """B is shown a hold of the room by two parties of a nation."""
    made = watched.made_hold(by=organisation)
    forged(watched, LeafType.LEGAL_HOLD, decode_hold(made).endorsed.record, made)


def held_since(client: Client, room: RoomId) -> int | None:
    ctx = client.core._ctx  # noqa: SLF001 - what a device keeps to
    return expiry._held_since(ctx, ctx.rooms[room])  # noqa: SLF001 - as above


@pytest.mark.parametrize(("by", "binds"), [(TN, True), (MA, True), (SN, False)])
def test_a_hold_binds_by_an_organisation_that_is_in_the_room(watched: Watched, by: str, binds: bool) -> None:  # noqa: FBT001 - a parameter of the test
    held_by(watched, by)
    assert held_since(watched.b, watched.room) == (0 if binds else None)
    assert watched.b.codes() == ([] if binds else ["MEMBERSHIP"])


def test_an_organisation_that_left_holds_nothing_more_and_what_it_held_stays(watched: Watched) -> None:
    late = watched.stage.online("late", of=TN)
    watched.a.do(actions.Invite(room=watched.room, device=late.device.id))
    made = watched.made_hold(by=MA, hold=b"m" * 16, since_ms=7)
    assert watched.stage.submit(watched.b, LeafType.LEGAL_HOLD, made).state is DONE
    watched.a.do(actions.Remove(room=watched.room, devices=(watched.b.device.id,)))
    watched.stage.wait(3_000)
    newest = watched.stage.online("newest", of=TN)
    watched.a.do(actions.Invite(room=watched.room, device=newest.device.id))
    watched.stage.wait(3_000)
    for client in (watched.a, late, newest):  # who was there, and who follows the commits from before its time
        assert held_since(client, watched.room) == 7
        assert client.codes() == []
    watched.b = newest
    lied = watched.made_hold(by=MA, hold=b"n" * 16)
    forged(watched, LeafType.LEGAL_HOLD, decode_hold(lied).endorsed.record, lied, after=newest.store.custody[-1])
    assert newest.codes() == ["MEMBERSHIP"]
    assert held_since(newest, watched.room) == 7


def renew(watched: Watched) -> None:
    """Log TN's enrolment key again, endorsed by the custodian and no longer by the root that made it."""
    nation = watched.stage.relay.nations[TN]
    renewed = nation.renew_enrolment(now_ms=watched.stage.relay.now_ms, by=nation.custodian)
    assert watched.stage.submit(watched.a, LeafType.ENROLMENT, renewed.endorsed.encode()).state is DONE


def test_a_root_that_endorsed_the_enrolment_key_once_stays_no_second_party(watched: Watched) -> None:
    nation = watched.stage.relay.nations[TN]
    renew(watched)
    forged(watched, *of_hold(watched, nation.enrolment_key, nation.root))
    assert watched.b.codes() == ["THRESHOLD"]


def test_who_endorses_the_key_later_was_a_second_party_before(watched: Watched) -> None:
    watched.b.disconnect()
    watched.hold()
    renew(watched)
    watched.b.connect()
    watched.stage.run()
    assert watched.types(watched.b) == [LeafType.LEGAL_HOLD]
    assert watched.b.codes() == []


def test_a_key_that_was_logged_later_has_signed_nothing_before(watched: Watched) -> None:
    nation = watched.stage.relay.nations[TN]
    known = watched.b.core._ctx.directory.enrolments[KeyId(nation.enrolment_key.key_id)]  # noqa: SLF001 - what is changed
    known.records = [(10_000, record) for _, record in known.records]
    forged(watched, *of_hold(watched))
    assert watched.b.codes() == ["CERTIFICATE"]


def test_a_read_by_a_device_that_is_not_certified_is_an_alarm(watched: Watched) -> None:
    unknown = watched.stage.client("unknown", of=SN, role=Role.AUDITOR)
    assert unknown.name == "unknown"
    forged(watched, *of_read(watched, "unknown"))
    assert watched.b.codes() == ["CERTIFICATE"]


def test_a_grant_of_an_organisation_that_does_not_own_the_room_is_an_alarm(watched: Watched) -> None:
    made = watched.stage.relay.nations[MA].grant(watched.terms(granting=OrgName(MA)))
    forged(watched, LeafType.AUDIT_GRANT, decode_grant(made).endorsed.record, made)
    assert watched.b.codes() == ["MEMBERSHIP"]


def changed(watched: Watched, change: Callable[[frames.Custody], frames.Custody]) -> list[str]:
    """What B says when what it is shown of the custody is changed."""
    watched.b.disconnect()
    watched.grant()
    watched.hold()
    watched.b.toward = lambda frame: [change(frame) if isinstance(frame, frames.Custody) else frame]
    watched.b.connect()
    watched.stage.run()
    return watched.b.codes()


def rest(frame: frames.Custody, entries: tuple[frames.CustodyEntry, ...], head: bytes | None = None) -> frames.Custody:
    return frames.Custody(request=frame.request, entries=entries, head=frame.head if head is None else head)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda f: rest(f, f.entries[1:]), "GAP"),
        (lambda f: rest(f, f.entries[:1]), "FORK"),
        (lambda f: rest(f, ()), "FORK"),
        (lambda f: rest(f, (), b""), "FRAME"),
        (lambda f: rest(f, f.entries, f.head[:-1] + b"\0"), "SIGNATURE"),
    ],
    ids=["the first left out", "the last left out", "all left out", "nothing", "an unsigned head"],
)
def test_a_chain_that_is_not_whole_is_an_alarm(watched: Watched, change: Any, code: str) -> None:  # noqa: ANN401 - a change of a frame
    assert changed(watched, change) == [code]


def test_a_whole_chain_is_none(watched: Watched) -> None:
    assert changed(watched, lambda frame: frame) == []


def test_an_entry_that_names_another_one_before_it_is_an_alarm(watched: Watched) -> None:
    def change(frame: frames.Custody) -> frames.Custody:
        first, second = frame.entries
        moved = frames.CustodyEntry(
            sequence=second.sequence,
            index=second.index,
            type=second.type,
            accepted_at_ms=second.accepted_at_ms,
            previous=bytes(32),
            object=second.object,
            document=second.document,
        )
        return rest(frame, (first, moved))

    assert changed(watched, change) == ["FORK"]


@pytest.mark.parametrize("leaf_type", [1, 2, 77])
def test_nothing_else_stands_in_a_custody_chain(watched: Watched, leaf_type: int) -> None:
    def change(frame: frames.Custody) -> frames.Custody:
        first = frame.entries[0]
        other = frames.CustodyEntry(
            sequence=1,
            index=first.index,
            type=leaf_type,
            accepted_at_ms=first.accepted_at_ms,
            previous=first.previous,
            object=first.object,
            document=None,
        )
        return rest(frame, (other,))

    assert changed(watched, change) == ["BAD_TYPE"]


def test_the_head_of_another_chain_is_none(watched: Watched) -> None:
    def change(frame: frames.Custody) -> frames.Custody:
        head = RoomHead(room=watched.room, room_seq=2, leaf=LeafHash(bytes(32)), size=9, time_ms=5)
        return rest(frame, frame.entries, sign_room_head(head, RELAY_KEY))

    assert changed(watched, change) == ["FRAME"]


def test_a_long_chain_is_asked_for_to_its_end(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amanah_relay.core.custody._PAGE_BYTES", 1_000)
    assert changed(watched, lambda frame: frame) == []
    assert watched.types(watched.b) == [LeafType.AUDIT_GRANT, LeafType.LEGAL_HOLD]


def test_a_hint_about_nothing_new_or_another_room_asks_for_nothing(watched: Watched) -> None:
    watched.grant()
    asked: list[frames.Frame] = []

    def outward(frame: frames.Frame) -> list[frames.Frame]:
        asked.append(frame)
        return [frame]

    watched.b.outward = outward
    for room, sequence in ((watched.room, 1), (RoomId(bytes(16)), 9)):
        assert watched.b.peer is not None
        watched.b.peer.frames.append(frames.CustodyGrown(room=room, sequence=sequence))
        watched.stage.run()
    assert not any(isinstance(frame, frames.GetCustody) for frame in asked)


def test_a_refused_question_is_asked_again_at_the_next_hint(watched: Watched) -> None:
    refused = [True]

    def toward(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Custody) and refused.pop():
            return [frames.Refused(request=frame.request, code="RATE", detail="later", retry_after_ms=5)]
        return [frame]

    watched.b.toward = toward
    watched.grant()
    assert watched.types(watched.b) == []
    watched.b.toward = None
    watched.hold()
    assert watched.types(watched.b) == [LeafType.AUDIT_GRANT, LeafType.LEGAL_HOLD]


# ---- persons


def forget(watched: Watched, of: Client, by: str = TN) -> model.Intent:
    """TN has forgotten who is behind a device."""
    certificate = decode_certificate(of.store.base.certificate)
    nation, now_ms = watched.stage.relay.nations[by], watched.stage.relay.now_ms
    made = nation.forget(certificate.subject, organisation=OrgName(TN), now_ms=now_ms)
    return watched.stage.submit(watched.b, LeafType.ERASURE, made)


def names(client: Client) -> set[tuple[OrgName, PersonId]]:
    return {(profile.organisation, profile.subject) for profile in map(decode_profile, client.store.profiles)}


def test_clients_drop_the_name_of_a_person_whose_organisation_has_forgotten_it(watched: Watched) -> None:
    subject = decode_certificate(watched.a.store.base.certificate).subject
    assert (OrgName(TN), subject) in names(watched.b)
    assert forget(watched, watched.a).state is DONE
    assert (OrgName(TN), subject) not in names(watched.b)
    assert watched.b.store.forgotten == [(OrgName(TN), subject)]
    assert watched.b.codes() == []


def test_a_name_that_was_forgotten_is_not_taken_again(watched: Watched) -> None:
    forget(watched, watched.a)
    late = watched.stage.online("late", of=MA)
    watched.b.do(actions.Invite(room=watched.room, device=late.device.id))
    watched.stage.wait(3_000)
    subject = decode_certificate(watched.a.store.base.certificate).subject
    assert (OrgName(TN), subject) not in names(late)
    assert late.codes() == []
    second = watched.stage.online("second", of=TN)
    assert watched.a.do(actions.Invite(room=watched.room, device=second.device.id)).state is DONE
    watched.stage.wait(3_000)
    assert (OrgName(TN), subject) not in names(second) | names(late)


@pytest.mark.parametrize("checked", [True, False])
def test_a_name_that_was_forgotten_does_not_come_back_by_a_grant(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, *, checked: bool
) -> None:
    """A member that was away still holds the message by which a person was introduced, and gives it to a newcomer."""
    rows = [row for row in watched.b.rows(watched.room, Kind.MESSAGE) if row.sender == watched.a.device.id]
    introduced = next(row for row in rows if row.content and isinstance(decode_content(row.content).body, Profile))
    forget(watched, watched.a)
    late = watched.stage.online("late", of=MA)
    watched.b.do(actions.Invite(room=watched.room, device=late.device.id))
    watched.stage.wait(3_000)
    # As `b` had it before it knew.
    watched.b.store.messages[watched.room, introduced.envelope] = introduced
    if not checked:
        monkeypatch.setattr(granted, "is_forgotten", lambda *_: False)
    assert do(watched.stage, watched.b, grant(watched.b, watched.room, [introduced.envelope], late)).state is DONE
    found = late.store.messages[watched.room, introduced.envelope]
    assert found.state is (ERASED if checked else STORED)
    assert bool(found.content) is not checked
    assert late.codes() == []


def test_a_person_of_another_organisation_is_not_forgotten(watched: Watched) -> None:
    assert forget(watched, watched.a, by=MA).state is model.IntentState.FAILED
    assert watched.b.store.forgotten == []


def test_a_room_is_opened_with_the_policy_that_was_asked_for(watched: Watched) -> None:
    policy = RoomPolicy(after_last={Label.RED: 7}).encode()
    done = watched.a.do(actions.CreateRoom(title="kept", ceiling=Label.RED, classical=True, policy=policy))
    assert done.state is DONE
    assert done.room is not None
    specific = decode_envelope(watched.a.row(done.room).create).header.specific
    assert isinstance(specific, Create)
    assert specific.policy == policy


@pytest.mark.parametrize(("days", "alarmed"), [(6, True), (8, False)])
def test_what_a_rooms_policy_lets_go_is_no_withheld_message(watched: Watched, days: int, alarmed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    policy = RoomPolicy(after_last={Label.RED: 7}).encode()
    room = watched.a.do(actions.CreateRoom(title="kept", ceiling=Label.RED, classical=True, policy=policy)).room
    assert room is not None
    watched.a.do(actions.Invite(room=room, device=watched.b.device.id))
    watched.b.disconnect()
    watched.a.say(room, "red", Label.RED)
    watched.stage.relay.now_ms += days * DAY_MS
    watched.b.toward = lambda frame: [erased(frame) if is_message(frame) else frame]
    watched.b.connect()
    watched.stage.run()
    watched.stage.wait(15_000)
    assert ("GAP" in watched.b.codes()) is alarmed


def is_message(frame: frames.Frame) -> bool:
    """Whether it delivers a message with content."""
    if not isinstance(frame, frames.Delivery) or frame.content is None:
        return False
    return decode_envelope(frame.envelope).header.label is Label.RED and frame.room_seq > 4


def erased(frame: frames.Frame) -> frames.Frame:
    """As if the relay had dropped the content."""
    assert isinstance(frame, frames.Delivery)
    return frames.Delivery(
        room=frame.room,
        room_seq=frame.room_seq,
        index=frame.index,
        accepted_at_ms=frame.accepted_at_ms,
        previous=frame.previous,
        envelope=frame.envelope,
        content=None,
        erased=True,
    )
