"""One example of each frame between client and relay."""

from __future__ import annotations

from typing import Final

from amanah_protocol import audit, frames, heads, session
from amanah_protocol.crypto import sha256
from amanah_protocol.endorse import Endorsed
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Kind
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.log.receipt import sign_receipt
from tests.vectors import examples as x

TRANSCRIPT: Final = x.transcript()
ENROLMENT: Final = x.nation(x.TN).enrolment.endorsed
ROSTER: Final[Endorsed] = x.roster_of().endorsed
MESSAGE: Final = x.message()
CONTENT: Final = x.sealed_content(Kind.MESSAGE)
CONTROL_HEAD: Final = heads.sign_control_head(x.control_head(), x.RELAY_KEY)
ROOM_HEAD: Final = heads.sign_room_head(x.room_head(), x.RELAY_KEY)
NOTE: Final = f"{x.ORIGIN}\n40\n".encode()
READING_ORDER: Final = audit.sign_order(x.reading_order(), x.device_key(Role.AUDITOR))

CLIENT: Final[tuple[frames.ClientFrame, ...]] = (
    frames.Hello(
        versions=TRANSCRIPT.offered,
        client_nonce=TRANSCRIPT.client_nonce,
        device=TRANSCRIPT.device,
        certificate_hash=TRANSCRIPT.certificate_hash,
        dialled=TRANSCRIPT.dialled,
    ),
    frames.Proof(
        signature=session.sign_as_client(TRANSCRIPT, x.OFFICER),
        certificate=x.certificate().encoded,
        enrolment=ENROLMENT.encode(),
    ),
    frames.Publish(request=1, items=(frames.Item(envelope=MESSAGE.encoded, content=CONTENT),)),
    frames.Stage(request=2, payload_hash=sha256(CONTENT), total=len(CONTENT), offset=0, data=CONTENT),
    frames.Subscribe(request=3, room=x.ROOM, after=11),
    frames.FetchContent(request=4, room=x.ROOM, payload_hash=sha256(CONTENT), offset=0),
    frames.OfferKeyPackages(request=5, suite=x.SUITE, packages=(x.fixed("package"),), last_resort=x.fixed("last")),
    frames.TakeKeyPackages(request=6, suite=x.SUITE, devices=x.DEVICES),
    frames.SubscribeControl(request=7, after=0),
    frames.Submit(request=8, type=LeafType.ROSTER, object=ROSTER.encode()),
    frames.GetInclusion(request=9, index=38, size=40),
    frames.GetConsistency(request=10, old=37, new=40),
    frames.GetCheckpoint(request=11),
    frames.AuditRead(request=12, order=READING_ORDER, start=0),
    frames.GetMembership(request=13, room=x.ROOM, after=1),
    frames.GetCheckpoints(request=14, after=39),
    frames.GetCustody(request=16, room=x.ROOM, after=1),
    frames.GetStamps(request=15, after=6),
    frames.FindAttachment(request=17, room=x.ROOM, attachment=x.fixed("attachment")),
    frames.PutAttachment(request=18, room=x.ROOM, attachment=x.fixed("attachment"), total=21, offset=0, data=b"piece"),
    frames.FetchAttachment(request=19, room=x.ROOM, attachment=x.fixed("attachment"), offset=0),
)

RELAY: Final[tuple[frames.RelayFrame, ...]] = (
    frames.Challenge(
        chosen=TRANSCRIPT.chosen,
        relay=TRANSCRIPT.relay,
        origin=TRANSCRIPT.origin,
        relay_nonce=TRANSCRIPT.relay_nonce,
        control_sequence=TRANSCRIPT.control_sequence,
        time_ms=TRANSCRIPT.time_ms,
        signature=session.sign_as_relay(TRANSCRIPT, x.RELAY_KEY),
    ),
    frames.RoomState(room=x.ROOM, head=12, added_seq=2, removed_seq=None, counter=7, last=x.fixed("last")),
    frames.Ready(
        control_head=CONTROL_HEAD,
        checkpoint=NOTE,
        rooms=(frames.RoomState(room=x.ROOM, head=12, added_seq=2, removed_seq=12, counter=7, last=x.fixed("last")),),
        stock=((x.SUITE, 100),),
    ),
    frames.Refused(request=1, code="CLOCK", detail="ten minutes late", retry_after_ms=0, time_ms=x.NOW_MS),
    frames.Stored(
        receipt=sign_receipt(x.receipt(), x.RELAY_KEY),
        accepted=(frames.Accepted(request=1, indices=(38,), sequences=(12,), accepted_at_ms=x.NOW_MS),),
    ),
    frames.Done(request=5),
    frames.Delivery(
        room=x.ROOM,
        room_seq=12,
        index=38,
        accepted_at_ms=x.NOW_MS,
        previous=x.fixed("previous leaf"),
        envelope=MESSAGE.encoded,
        content=CONTENT,
    ),
    frames.PageEnd(request=3, room=x.ROOM, next=12, live=True, head=ROOM_HEAD),
    frames.Lagging(room=x.ROOM),
    frames.ContentPiece(request=4, total=len(CONTENT), offset=0, data=CONTENT),
    frames.KeyPackages(
        request=6, packages=(frames.TakenPackage(device=x.KID, package=x.fixed("package"), last_resort=False),)
    ),
    frames.Stock(suite=x.SUITE, left=9),
    frames.ControlEntry(
        sequence=1,
        index=0,
        type=LeafType.ROSTER,
        accepted_at_ms=x.NOW_MS,
        previous=bytes(32),
        object=ROSTER.record,
        document=ROSTER.encode(),
    ),
    frames.Head(head=ROOM_HEAD),
    frames.Path(request=9, leaf=x.fixed("leaf"), hashes=(x.fixed("sibling"),)),
    frames.Checkpoint(request=11, note=NOTE),
    frames.LogEntries(
        request=12,
        entries=(frames.LogEntry(index=0, hash=x.fixed("leaf"), entry=x.control_leaf().encode(), document=None),),
        size=40,
    ),
    frames.Closing(code="STOPPING", detail="the relay is stopping", retry_after_ms=1_000),
    frames.Membership(
        request=13,
        entries=(
            frames.MembershipEntry(
                room_seq=2,
                index=8,
                accepted_at_ms=x.NOW_MS,
                previous=x.fixed("previous leaf"),
                envelope=x.signed(x.SPECIFICS[Kind.COMMIT]).encoded,
            ),
        ),
    ),
    frames.Flash(room=x.ROOM, room_seq=12),
    frames.Checkpoints(request=14, notes=(NOTE,)),
    frames.Custody(
        request=16,
        entries=(
            frames.CustodyEntry(
                sequence=2,
                index=38,
                type=7,
                accepted_at_ms=x.NOW_MS,
                previous=x.fixed("previous leaf"),
                object=x.audit_grant().endorsed.record,
                document=x.audit_grant().endorsed.encode(),
            ),
        ),
        head=heads.sign_room_head(x.room_head(), x.RELAY_KEY),
    ),
    frames.CustodyGrown(room=x.ROOM, sequence=2),
    frames.Stamps(
        request=15,
        stamps=(frames.Stamp(number=7, size=40, authority="https://tsa.example/", note=NOTE, token=b"token"),),
    ),
    frames.AttachmentState(request=17, size=21, whole=True),
    frames.AttachmentPiece(request=19, total=21, offset=0, data=b"piece"),
)

FRAMES: Final[tuple[frames.Frame, ...]] = (*CLIENT, *RELAY)
