"""`amanah audit sync` after the own organisation has left a room and come back: the copy is made anew, once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from amanah_client.audit import local
from amanah_client.cli import audit as cli_audit
from amanah_client.home import Profile
from amanah_protocol import kinds
from amanah_protocol.audit import audit_chain
from amanah_protocol.cose import Typ
from amanah_protocol.custody.chain import custody_chain
from amanah_protocol.custody.holds import decode_hold, release_document
from tests.client.audit.auditor import Audit, copy
from tests.client.audit.custodian import Held, parties, signed
from tests.client.audit.world import MA, OFFICER_MA, OFFICER_TN, SN, TN


class Away(Held):
    """A room of MA that TN, whose auditor copies, is in at first; and a relay that shows it while TN is."""

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        self.profile = profile
        self.room = self.log.open(OFFICER_MA, "joined and left")
        self.log.add(OFFICER_MA, self.room, OFFICER_TN)
        self.chain = custody_chain(self.room)
        self.never = frozenset({self.found.hidden, audit_chain(MA), audit_chain(SN)})
        self.hidden: set[int] = set()
        """What is kept from TN's auditors for good."""
        self.is_in = True
        self.copies = 0
        self.placed = self.hold(of=TN, rooms=(self.room,))
        self.put(self.placed)

    def copied(self, profile: Profile, *_: object, **__: object) -> tuple[int, int]:
        """Stands for the connection: what the relay shows now of what is behind the copy."""
        assert profile.home.path == self.profile.home.path
        self.copies += 1
        before = profile.store.copy.size
        out = frozenset() if self.is_in else frozenset({self.room, self.chain})
        left = 0 if self.is_in else before
        rows = [
            replace(row, entry=None, document=None)
            if row.index in self.hidden
            or self.log.leaves[row.index].room in self.never
            or (row.index >= left and self.log.leaves[row.index].room in out)
            else row
            for row in self.log.rows()
        ]
        copy(profile, self.found, rows=rows[before:])
        size = local.keep_checkpoint(profile.store)
        assert size is not None
        return before, size

    def come_back(self) -> None:
        """TN's device is added again."""
        self.is_in = True
        self.log.add(OFFICER_MA, self.room, OFFICER_TN)


@pytest.fixture
def away(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> Away:
    """The log as it stands at first, with its relay."""
    made = Away(profile)
    monkeypatch.setattr(cli_audit, "_copied", made.copied)
    return made


def synced(audit: Audit, away: Away) -> tuple[int, int, bool]:
    """Exit code, how often it was copied, and whether people are told that it is copied anew."""
    before = away.copies
    code, _, err = audit("sync")
    return code, away.copies - before, "is missing in this copy" in err


ONCE, ANEW, FAULT = (0, 1, False), (0, 2, True), (5, 2, True)


def speaks(away: Away) -> None:
    """Something is said while TN is out."""
    away.log.post(OFFICER_MA, away.room, kinds.Message())


def releases(away: Away) -> None:
    """TN, which is out, releases the hold that it placed while it was in."""
    document = release_document(away.placed, now_ms=away.log.now_ms)
    away.put(decode_hold(signed(document, Typ.LEGAL_HOLD, *parties(TN)).encode()))


def holds(away: Away) -> None:
    """MA places a hold while TN is out."""
    away.put(away.hold(of=MA, hold=b"m" * 16, rooms=(away.room,)))


def holds_again(away: Away) -> None:
    """MA places a second one when TN is back."""
    away.put(away.hold(of=MA, hold=b"n" * 16, rooms=(away.room,)))


def nothing(_: Away) -> None:
    """Nothing happens."""


Step = Callable[[Away], None]
CASES = pytest.mark.parametrize(
    ("out", "back"),
    [(speaks, nothing), (releases, nothing), (holds, holds_again)],
    ids=["a gap in the room", "a document that was left out", "a gap in its custody"],
)


def leaves_and_comes_back(audit: Audit, away: Away, out: Step, back: Step) -> None:
    """Each step is copied; the last is not yet."""
    assert synced(audit, away) == ONCE
    away.log.remove(OFFICER_MA, away.room, OFFICER_TN)
    assert synced(audit, away) == ONCE
    away.is_in = False
    out(away)
    assert synced(audit, away) == ONCE
    away.come_back()
    back(away)


@CASES
def test_a_copy_of_a_room_that_was_left_and_joined_again_is_made_anew(
    audit: Audit, away: Away, out: Step, back: Step
) -> None:
    leaves_and_comes_back(audit, away, out, back)
    assert synced(audit, away) == ANEW
    assert synced(audit, away) == ONCE
    speaks(away)
    assert synced(audit, away) == ONCE
    assert audit("verify")[0] == 0


@CASES
def test_without_that_an_honest_relay_is_accused(
    audit: Audit, away: Away, out: Step, back: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above."""
    leaves_and_comes_back(audit, away, out, back)
    monkeypatch.setattr(cli_audit, "_why_anew", lambda *_: "")
    assert synced(audit, away) == (5, 1, False)


@CASES
def test_what_the_copy_that_is_made_anew_lacks_too_is_the_fault_and_once_is_enough(
    audit: Audit, away: Away, out: Step, back: Step
) -> None:
    leaves_and_comes_back(audit, away, out, back)
    shown = {away.room, away.chain}
    away.hidden = {index for index, leaf in enumerate(away.log.leaves) if leaf.room in shown and bare(away, index)}
    assert away.hidden
    assert synced(audit, away) == FAULT
    assert synced(audit, away) == FAULT


def bare(away: Away, index: int) -> bool:
    """Whether a leaf is a bare hash in the copy."""
    row = away.profile.store.copy.row(index)
    return row is not None and row.entry is None


def test_a_gap_in_a_room_in_which_the_organisation_never_was_is_said_at_once(audit: Audit, away: Away) -> None:
    """As under a grant of others: no stay of the own organisation explains it."""
    away.never -= {away.found.hidden}
    seen = [index for index, leaf in enumerate(away.log.leaves) if leaf.room == away.found.hidden]
    away.hidden = {seen[-2]}
    assert synced(audit, away) == (5, 1, False)


def test_a_gap_in_the_own_organisations_chain_is_said_at_once(audit: Audit, away: Away) -> None:
    chain = audit_chain(TN)
    away.put(away.hold(of=TN, hold=b"n" * 16, rooms=(away.room,)))
    seen = [index for index, leaf in enumerate(away.log.leaves) if leaf.room == chain]
    away.hidden = {seen[0]}
    assert synced(audit, away) == (5, 1, False)
