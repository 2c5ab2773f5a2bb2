"""The copy that a console shows: it is verified in a thread of its own, and pages wait for that."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias, TypeVar

from amanah_client.audit import local
from amanah_client.audit.examination import Anchor, examine_copy
from amanah_client.audit.record import Record, Report
from amanah_client.audit.report import Finding
from amanah_client.audit.stamps import Stamps
from amanah_client.audit.times import prefix_root
from amanah_client.audit.words import sound_before
from amanah_client.home import Profile
from amanah_client.log_rows import Quorum, WitnessedRow
from amanah_protocol.errors import AmanahError, Code, OperationalError

_KEPT: Final = 256
"""Results of slow queries; the copy does not change under them."""

_Found = TypeVar("_Found")


class Standing(StrEnum):
    """What stands at the head of every page."""

    HOLDS = "holds"
    UNWITNESSED = "unwitnessed"
    """It holds, and too few witnesses have said so."""
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The verification state, in numbers; the pages have the words.

    Attributes:
        standing: What counts.
        size: Leaves that were verified.
        cosigned: The newest checkpoint that a quorum of witnesses has cosigned; None where none was seen.
        beyond: Whether that one is larger than the copy.
        split: Whether the copy has another root at that size: witnesses were shown another log.
        conflicts: Contradictions of the log that this profile keeps as evidence.
        faults: Faults in all.
        first_bad: The fault with the lowest index.
        sound_before: The entry before which a broken record can be relied on; None where nothing of it can be.
    """

    standing: Standing
    size: int
    cosigned: WitnessedRow | None
    beyond: bool
    split: bool
    conflicts: int
    faults: int
    first_bad: Finding | None
    sound_before: int | None

    @property
    def cosigned_at_ms(self) -> int:
        """When the last of the witnesses cosigned; 0 for never."""
        return 0 if self.cosigned is None else 1000 * max(time_s for _, time_s in self.cosigned.cosignatures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A copy whose examination ended, well or not.

    Attributes:
        report: What was found.
        stamps: What time-stamping authorities say of it.
        anchor: What it was held against.
        checkpoint: The signed note of its newest checkpoint.
        head: The verification state.
        verified_at_ms: When it ended.
    """

    report: Report
    stamps: Stamps
    anchor: Anchor
    checkpoint: bytes
    head: Head
    verified_at_ms: int
    _found: dict[object, object] = field(default_factory=dict)

    @property
    def record(self) -> Record:
        """The rows."""
        return self.report.record

    def once(self, key: object, work: Callable[[], _Found]) -> _Found:
        """The result of a slow query, found once; the oldest one makes room."""
        if key not in self._found:
            if len(self._found) >= _KEPT:
                del self._found[next(iter(self._found))]
            self._found[key] = work()
        found: _Found = self._found[key]  # type: ignore[assignment]  # what was put under this key
        return found


@dataclass(frozen=True, slots=True)
class Verifying:
    """How far an examination is, in leaves."""

    done: int
    size: int

    @property
    def percent(self) -> int:
        """0 to 100."""
        return 100 * self.done // self.size if self.size else 0


State: TypeAlias = Verifying | Examined | AmanahError


class Console:
    """A profile's copy, being verified or verified."""

    def __init__(
        self, profile: Profile, now_ms: Callable[[], int], warm: Callable[[Examined], object] = lambda _: None
    ) -> None:
        """Begin with nothing verified.

        Args:
            profile: An auditor's, unlocked.
            now_ms: The clock.
            warm: Asks what is asked first, while nobody waits for a page.
        """
        self.profile = profile
        self._now_ms = now_ms
        self._warm = warm
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.state: State = Verifying(0, 0)

    def verify(self) -> None:
        """Begin to verify what the copy holds now, unless that is under way."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return
            self.state = Verifying(0, 0)
            self._thread = threading.Thread(target=self._verify, name="verification", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Until the verification that is under way has ended."""
        if self._thread is not None:
            self._thread.join()

    def _verify(self) -> None:
        try:
            self.state = self._examined()
        except AmanahError as error:
            self.state = error
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it: what it died of is shown on every page
            self.state = OperationalError(Code.INTERNAL, f"the verification ended by a fault of the program: {error!r}")

    def _examined(self) -> Examined:
        store = self.profile.store
        anchor = local.trusted(self.profile)
        note, size = local.copied(store)
        self.state = Verifying(0, size)

        def advanced(done: int) -> None:
            self.state = Verifying(done, size)

        head = local.copied_head(store)
        report = examine_copy(
            store.copy,
            checkpoint=note,
            anchor=anchor,
            control_head=head,
            selection=local.grant_of(store),
            advanced=advanced,
        )
        report, stamps = local.examined_stamps(store, report, None, now_ms=self._now_ms())
        store.copy.prepare_questions()
        examined = Examined(
            report=report,
            stamps=stamps,
            anchor=anchor,
            checkpoint=note,
            head=head_of(report, store.witnessed(), len(store.conflicts())),
            verified_at_ms=self._now_ms(),
        )
        self._warm(examined)
        return examined


def head_of(report: Report, row: WitnessedRow | None, conflicts: int) -> Head:
    """What the examination and the witnesses say together."""
    cosigned = row if row is not None and row.size else None
    beyond = cosigned is not None and cosigned.size > report.size
    split = (
        cosigned is not None
        and cosigned.size <= report.scope.leaves
        and prefix_root(report.record.copy, cosigned.size) != cosigned.root
    )
    bad = report.first_bad
    if bad is not None or split or conflicts:
        standing = Standing.BROKEN
    elif cosigned is None or cosigned.state is not Quorum.SEEN or not report.anchor:
        standing = Standing.UNWITNESSED
    else:
        standing = Standing.HOLDS
    return Head(
        standing=standing,
        size=report.size,
        cosigned=cosigned,
        beyond=beyond,
        split=split,
        conflicts=conflicts,
        faults=report.faults,
        first_bad=bad,
        # What contradicts other words of the log has no place in this copy.
        sound_before=None if split or conflicts else sound_before(report),
    )
