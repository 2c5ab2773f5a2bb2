"""The defences, and how a test takes one away: one check each, and nothing else.

A green attack suite proves nothing if the attack would not work anyway. So every attack is played
once more with the one check that stops it cut out of the running code, and then it has to succeed.
The check is named by its own text: when the code around it is written anew, the switch does not
find it any more and says so.
"""

from __future__ import annotations
import __future__

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

from websockets.asyncio import server as server_of_websockets

from amanah_client import message, saving, spool
from amanah_client.audit import examination, times
from amanah_client.core import (
    answers,
    checks,
    circle,
    context,
    downloads,
    heads,
    invite,
    membership,
    monitor,
    opening,
    outbox,
    own,
    place,
    pledge,
    quorum,
    senders,
)
from amanah_client.core import record as record_of_rooms
from amanah_protocol import attachment, cbor, cose, rooms, roster
from amanah_protocol.crypto import KEY_BYTES, agree
from amanah_protocol.errors import VerifyError
from amanah_protocol.group import engines, room_engine, room_group
from amanah_protocol.log import note_keys, witnessing
from amanah_protocol.log import policy as trust
from amanah_protocol.mls import checks as mls_checks
from amanah_protocol.mls import codec, joining, kem, policy, secret_tree
from amanah_relay import server
from amanah_relay.core import login, publish, shelf
from amanah_relay.core import packages as relay_packages

NEVER: Final = "False"
ALWAYS: Final = "True"
NOTHING: Final = "None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defence:
    """One check.

    Attributes:
        attacks: Numbers of the attacks that it stops.
        function: Where it stands.
        cuts: The expressions that are the check, as `ast.unparse` writes them, and what stands in their
            place when it is off.
        again: Where the very same is checked once more, nearer to where it matters, with the cuts there.
    """

    attacks: tuple[int, ...]
    function: Callable[..., Any]
    cuts: dict[str, str]
    again: tuple[tuple[Callable[..., Any], dict[str, str]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A limit or setting that is a name in a module.

    Attributes:
        attacks: Numbers of the attacks that it stops.
        module: Where it stands.
        name: Its name there.
        off: What stands in its place when it is off.
    """

    attacks: tuple[int, ...]
    module: ModuleType
    name: str
    off: object


def _agree_with_anything(private: bytes, public: bytes) -> bytes:
    """As the bare multiplication does it: with a point of low order it gives zeros."""
    try:
        return agree(private, public)
    except VerifyError:
        return bytes(KEY_BYTES)


_REDEEMED: Final = "pledge.note(ctx, room, receipt.value, encoded, accepted.indices[-1])"

DEFENCES: Final[dict[str, Defence | Bound]] = {
    "bound of a frame": Bound(attacks=(47,), module=server, name="MAX_PRE_AUTH_FRAME_BYTES", off=2**31),
    "leaves lead to the root": Defence(
        attacks=(41,),
        function=examination.Examination.run,
        cuts={"self._frontier.root() != self._head.root": NEVER},
    ),
    "witnesses bound the times": Defence(
        attacks=(40,),
        function=times._put_misdated,
        cuts={"latest + CLOCK_REMARK_MS": "2 ** 63 - 1", "earliest - CLOCK_REMARK_MS": "-1"},
    ),
    "no compression": Bound(
        attacks=(47,),
        module=server,
        name="serve",
        off=lambda *args, **options: server_of_websockets.serve(*args, **{**options, "compression": "deflate"}),
    ),
    "one encoding": Defence(attacks=(48,), function=cbor.decode, cuts={"cbor2.dumps(value) != data": NEVER}),
    "places in a room": Defence(
        attacks=(1,),
        function=place.follows,
        cuts={
            # A room that has asked again takes nothing that is pushed before the answer; that is another matter.
            "entry.room_seq == row.head_seq + 1": "entry.room_seq == row.head_seq + 1 or not room.link.resync",
            "linked and (entry.index > row.head_index or row.head_seq == 0)": ALWAYS,
        },
    ),
    "senders' records": Defence(attacks=(1, 5, 7), function=senders.follow, cuts={"_flaw(before, header)": NOTHING}),
    "confirmed by a fresh head": Defence(
        attacks=(2,),
        function=heads._tick_room,
        cuts={"unanswered and Code.STALE_HEAD not in room.told": NEVER},
    ),
    "idempotent publish": Defence(
        attacks=(8,),
        function=publish._finish,
        cuts={"publishing.known.get(position) or books.ledger.recent.get(key)": NOTHING},
    ),
    "envelopes name their room": Defence(
        attacks=(9,), function=checks.authenticate, cuts={"header.room != entry.leaf.room": NEVER}
    ),
    "the circle before a newcomer": Defence(
        attacks=(16,),
        function=circle.follow_commit,
        cuts={
            "header.kid not in circle.members": NEVER,
            "header.audience != audience_digest(_members_after(circle, commit))": NEVER,
            "check_policy(ctx, room, commit, committer=header.kid, members=set(circle.members), entry=entry)": NOTHING,
        },
    ),
    "every commit before a newcomer": Defence(
        attacks=(27,), function=circle.follow_commit, cuts={"header.epoch != circle.epoch": NEVER}
    ),
    "the root's threshold": Defence(
        attacks=(15, 16),
        function=roster.verify_enrolment,
        cuts={"endorse.verify_threshold(enrolment.endorsed, organisation.roots, organisation.threshold)": NOTHING},
    ),
    "versions of the roster ascend": Defence(
        attacks=(30,), function=roster.verify_roster, cuts={"roster.version <= previous.value.version": NEVER}
    ),
    "the roster's threshold": Defence(
        attacks=(31,), function=roster._check_threshold, cuts={"len(signed) < roster.threshold": NEVER}
    ),
    "purposes are signed": Defence(
        attacks=(33,),
        function=cose.decode,
        # Two sorts of heads come in one frame and are told apart by this: there it has to stay.
        cuts={"header[TYP] != str(typ)": "typ is Typ.CONTROL_HEAD and header[TYP] != str(typ)"},
    ),
    "officers change the circle": Defence(
        attacks=(34,),
        function=rooms.check_commit,
        cuts={"own.role is not Role.OFFICER and (commit.added or commit.removed)": NEVER},
    ),
    "kinds of a role": Defence(
        attacks=(34,),
        function=rooms.check_kind,
        cuts={"kind not in _KINDS_OF_ROLE.get(certificate.role, frozenset())": NEVER},
    ),
    # Parent hashes alone refuse nearly all that its hash refuses: for a tree that was changed both are off.
    "hashes over the tree": Defence(
        attacks=(18,),
        function=joining._tree_of,
        cuts={"tree.hash() != info.context.tree_hash": NEVER},
        again=((mls_checks.check_tree, {"tree.check_parent_hashes()": NOTHING}),),
    ),
    "the signature of the group info": Defence(
        attacks=(18,), function=joining._check_info, cuts={"info.verify_signature(signer.signature_key)": NOTHING}
    ),
    "parent hashes": Defence(
        attacks=(18,), function=mls_checks.check_tree, cuts={"tree.check_parent_hashes()": NOTHING}
    ),
    "welcomes name their commit": Defence(
        attacks=(17, 22),
        function=room_engine._check_binding,
        cuts={"found != (binding.room, policy, binding.create_id + binding.commit_id)": NEVER},
    ),
    "an organisation's own enrolment key": Defence(
        attacks=(15,),
        function=roster.verify_certificate,
        cuts={"certificate.organisation != enrolment.organisation": NEVER},
    ),
    "epochs that are over": Defence(
        attacks=(12,), function=outbox._is_behind, cuts={"room.stale_epoch is None or room.group is None": ALWAYS}
    ),
    "key packages are spent": Defence(
        attacks=(20,), function=membership.take_welcome, cuts={"packages.spend(ctx, reference)": NOTHING}
    ),
    "key packages have their time": Defence(
        attacks=(20,),
        function=invite.check_package,
        cuts={"info.not_before_ms <= ctx.now_ms <= info.not_after_ms": ALWAYS},
    ),
    # Creator, own device and members each have to support it; the last word has the list of engines.
    "a room's suite is what it says": Defence(
        attacks=(22,),
        function=engines.Engines.__getitem__,
        cuts={"self._engines.get(suite)": "self._engines.get(suite, self._engines[3])"},
        again=(
            (rooms.check_create, {"create.suite not in creator.certificate.suites": NEVER}),
            (rooms._check_added, {"create.suite not in certificate.suites": NEVER}),
            (membership.take_create, {"create.suite not in ctx.certificate.suites": NEVER}),
        ),
    ),
    "own envelopes are known": Defence(
        attacks=(23,), function=own._check_ours, cuts={"restored.is_foreign(room, envelope)": NEVER}
    ),
    "lengths have their shortest form": Defence(
        attacks=(49,), function=codec.Reader.length, cuts={"length < least": NEVER}
    ),
    "fetches are counted": Defence(
        attacks=(21,),
        function=relay_packages.take,
        cuts={"parts.quotas.charge(_claims(parts, certificate, wanted), now_ms)": NOTHING},
    ),
    "alarms are counted": Bound(attacks=(24,), module=context, name="MAX_ALARMS", off=10**9),
    "commits are proven": Defence(
        attacks=(11,),
        function=record_of_rooms._is_followed,
        cuts={"envelope.header.kind is Kind.COMMIT": NEVER},
        # Who writes in its half has receipts, too, which the log would have to keep.
        again=((answers._accept, {_REDEEMED: NOTHING}),),
    ),
    "generations ahead are counted": Bound(
        attacks=(25,), module=secret_tree, name="MAX_FORWARD_GENERATIONS", off=2**32
    ),
    "nonces are guarded": Defence(attacks=(23,), function=secret_tree.SenderData.guard, cuts={"a ^ b": "a"}),
    "keys are keys": Defence(
        attacks=(26,),
        function=mls_checks.check_leaf,
        cuts={"suite.kem.check_public(leaf.encryption_key)": NOTHING},
    ),
    "points of low order": Bound(attacks=(26,), module=kem, name="agree", off=_agree_with_anything),
    "nobody joins by its own commit": Bound(attacks=(14,), module=room_group, name="ROOM", off=policy.EVERYTHING),
    "key packages are signed": Defence(
        attacks=(19,),
        function=mls_checks.check_key_package,
        cuts={"key_package.verify_signature()": NOTHING},
    ),
    "the address that was dialled": Defence(
        attacks=(35,), function=login._challenge, cuts={"hello.dialled not in identity.addresses": NEVER}
    ),
    "the quorum of witnesses": Defence(
        attacks=(42,),
        function=trust.Policy.verify_note,
        cuts={"self.quorum is not None and (not self._reached(self.quorum, frozenset(times)))": NEVER},
    ),
    # Of Ed25519 where the signature is verified, of ML-DSA-44 where witnesses are counted.
    "cosignatures say when": Defence(
        attacks=(42,),
        function=trust.Policy.verify_note,
        cuts={"found.verifier in names and found.time_s": "found.verifier in names"},
        again=((note_keys.NoteVerifier.verify, {"not 0 < time_s <= MAX_DECIMAL": NEVER}),),
    ),
    "cosignatures are verified": Defence(
        attacks=(42,),
        function=note_keys.NoteVerifier.verify,
        cuts={"verify_signature(self.public, signature[_TIME_BYTES:], _cosigned_text(text, time_s))": NOTHING},
        again=(
            (
                note_keys.NoteVerifier.verify_subtree,
                {"verify_mldsa44(self.public, signature[_TIME_BYTES:], message)": NOTHING},
            ),
        ),
    ),
    "a witness's key stands once in a policy": Defence(
        attacks=(42,), function=trust._Reader._party, cuts={"(role, key.public) not in self._keys": ALWAYS}
    ),
    "a witness counts in one group": Defence(
        attacks=(42,), function=trust._Reader._group, cuts={"member not in self._members": ALWAYS}
    ),
    "a log's own signature": Defence(
        attacks=(42,),
        function=note_keys.NoteVerifier.verify,
        cuts={"verify_signature(self.public, signature, text.encode())": NOTHING},
    ),
    "witnesses know the old size": Defence(
        attacks=(42,),
        function=witnessing._check_growth,
        cuts={"old != (0 if known is None else known.size)": NEVER},
    ),
    "witnesses ask for a proof": Defence(
        attacks=(42,),
        function=witnessing._check_growth,
        cuts={"verify_consistency(old, known.root, new.size, new.root, request.proof)": NOTHING},
    ),
    "witnesses cosign one root at a size": Defence(
        attacks=(42,),
        function=witnessing._check_growth,
        cuts={"Refusal.OTHER_ROOT if _is_conflict(new, known) else None": NOTHING},
    ),
    "envelopes are signed": Defence(
        attacks=(44,),
        function=checks.authenticate,
        cuts={"verify_envelope(envelope, standing.certificate.public_key)": NOTHING},
    ),
    "views are compared": Defence(
        attacks=(36,),
        function=opening._compare_views,
        cuts={"_note_log(ctx, room, envelope, view)": NOTHING},
    ),
    "proofs that are owed": Defence(attacks=(36,), function=monitor.work, cuts={"_check_owed(ctx, view)": NOTHING}),
    "a checkpoint continues the one before": Defence(
        attacks=(37,), function=monitor.consider, cuts={"view is None or view.size == 0": ALWAYS}
    ),
    "receipts are redeemed": Defence(
        attacks=(38,),
        function=answers._accept,
        cuts={_REDEEMED: NOTHING},
        again=((pledge.work, {"_check_delivered(ctx, room)": NOTHING}),),
    ),
    "the relay's time is its word": Bound(attacks=(40,), module=message, name="CLOCK_REMARK_MS", off=2**62),
    "cosignatures of tomorrow": Bound(attacks=(40,), module=quorum, name="AHEAD_MS", off=2**50),
    "chunks in their places": Defence(
        attacks=(45,),
        function=attachment._nonce,
        cuts={"index.to_bytes(4, 'big')": "bytes(4)", "index == chunk_count(size) - 1": NEVER},
        again=(
            (spool.Spool.keep, {"_digest(file) != attachment": NEVER}),
            (saving._opened, {"not same(digest.digest(), file.digest)": NEVER}),
        ),
    ),
    "chunks of their message": Defence(
        attacks=(45,), function=attachment._aad, cuts={"_PURPOSE + message_id": "_PURPOSE"}
    ),
    "chunks are opened when they come": Defence(
        attacks=(45,),
        function=downloads._check_piece,
        cuts={"open_chunk(file.key, download.message_id, file.size, index, frame.data)": NOTHING},
    ),
    "the length is the message's": Defence(
        attacks=(45,),
        function=downloads._check_piece,
        cuts={"(frame.total, frame.offset, index) != (file.sealed_size, sealed_offset(index), download.index)": NEVER},
        again=(
            (attachment.open_chunk, {"len(sealed) != chunk_bytes(size, index) + TAG_BYTES": NEVER}),
            (attachment._nonce, {"index == chunk_count(size) - 1": NEVER}),
            (spool.Spool.keep, {"offset + len(data) < total": "False", "_digest(file) != attachment": NEVER}),
            (saving._opened, {"not same(digest.digest(), file.digest)": NEVER}),
        ),
    ),
    "a file is what its hash names": Defence(
        attacks=(45,), function=saving._opened, cuts={"not same(digest.digest(), file.digest)": NEVER}
    ),
    "headers name the attachment": Defence(
        attacks=(45,),
        function=opening.check_body,
        cuts={"isinstance(body, File) and body.attachment == attachment": ALWAYS},
    ),
    "an attachment has one message": Defence(
        attacks=(45,), function=shelf.Shelf.check_attachable, cuts={"place in attached": NEVER}
    ),
    "senders are members": Defence(
        attacks=(10,), function=checks.check_bound, cuts={"header.kid not in group.members": NEVER}
    ),
}


class _Cut(ast.NodeTransformer):
    """Replaces expressions by their text, and notes which it found."""

    def __init__(self, cuts: dict[str, str]) -> None:
        self._cuts = cuts
        self.found: list[str] = []

    def visit(self, node: ast.AST) -> ast.AST:
        """Replace the node, or look inside it."""
        text = ast.unparse(node) if isinstance(node, ast.expr) else ""
        if text not in self._cuts:
            return super().visit(node)  # type: ignore[no-any-return]  # the visitor's own type is Any
        self.found.append(text)
        return ast.copy_location(ast.parse(self._cuts[text], mode="eval").body, node)


def without(function: FunctionType, cuts: dict[str, str]) -> CodeType:
    """The code of a function with expressions replaced.

    Raises:
        LookupError: One of them does not stand there exactly once.
    """
    cut = _Cut(cuts)
    changed = ast.fix_missing_locations(cut.visit(ast.parse(textwrap.dedent(inspect.getsource(function)))))
    if sorted(cut.found) != sorted(cuts):
        raise LookupError(f"{function.__qualname__} holds {cut.found}, wanted is once each {list(cuts)}")
    # A file name of its own, so that a run without a check counts for no one's coverage.
    name, flags = f"<{function.__qualname__} without a check>", __future__.annotations.compiler_flag
    whole: CodeType = compile(changed, name, "exec", flags=flags, dont_inherit=True)  # type: ignore[call-overload]  # an AST is taken, the stub knows Module only
    return next(found for found in _codes(whole) if found.co_name == function.__name__)


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


@contextmanager
def switched_off(name: str) -> Iterator[None]:
    """Run without a defence."""
    defence = DEFENCES[name]
    if isinstance(defence, Bound):
        kept = getattr(defence.module, defence.name)
        setattr(defence.module, defence.name, defence.off)
        try:
            yield
        finally:
            setattr(defence.module, defence.name, kept)
        return
    kept_codes: list[tuple[FunctionType, CodeType]] = []
    try:
        for found, cuts in ((defence.function, defence.cuts), *defence.again):
            function = inspect.unwrap(found)
            assert isinstance(function, FunctionType)
            kept_codes.append((function, function.__code__))
            function.__code__ = without(function, cuts)
        yield
    finally:
        for function, whole in kept_codes:
            function.__code__ = whole
