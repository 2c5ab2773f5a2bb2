"""What a nation is asked to do, and what it says of it.

task   = [ 1, id: bstr .size 16, opened / moved ]
opened = [ 1, what: tstr, nation: tstr, until: ms / null ]
moved  = [ 2, state: 1..4, reason: tstr ]
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from amanah_protocol import cbor, limits
from amanah_protocol.content.bounds import ID_BYTES, check_ids, check_nations, check_size, check_time
from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.types import OrgName


class TaskState(IntEnum):
    """What its nation says of a task; the number is the wire form."""

    OPEN = 1
    TAKEN = 2
    DONE = 3
    REFUSED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A nation is asked to do something.

    Attributes:
        id: 16 random bytes; later entries name the task by it.
        what: 1 to 1,024 characters.
        nation: Whose it is.
        until_ms: By when; None for no deadline.

    Raises:
        UsageError: `TOO_LARGE`, `BAD_TYPE` or `USAGE`.
    """

    id: bytes
    what: str = field(repr=False)
    nation: OrgName
    until_ms: int | None = None

    def __post_init__(self) -> None:
        check_ids(self.id, length=ID_BYTES)
        check_size(len(self.what), limits.MAX_TEXT_CHARS, "characters of a task", 1)
        check_nations(self.nation)
        check_time(self.until_ms)

    def encode(self) -> list[object]:
        """What follows the version."""
        return [self.id, [1, self.what, self.nation, self.until_ms]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMoved:
    """What its nation says of a task.

    Attributes:
        id: The task's.
        state: Where it stands now.
        reason: Up to 1,024 characters; a refusal gives one.

    Raises:
        UsageError: `TOO_LARGE`, `BAD_TYPE`, or `USAGE` for a refusal without a reason.
    """

    id: bytes
    state: TaskState
    reason: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        check_ids(self.id, length=ID_BYTES)
        check_size(len(self.reason), limits.MAX_TEXT_CHARS, "characters of a reason")
        if self.state is TaskState.REFUSED and not self.reason:
            raise UsageError(Code.USAGE, "who refuses a task says why")

    def encode(self) -> list[object]:
        """What follows the version."""
        return [self.id, [2, int(self.state), self.reason]]


def decode_task(f: cbor.Fields) -> Task | TaskMoved:
    """Read what follows the version."""
    id_, change = f.fixed(ID_BYTES), f.array(4)
    c = cbor.Fields(change, 4 if len(change) > 3 else 3, "task")
    which = c.uint(2)
    if (which, len(change)) not in {(1, 4), (2, 3)}:
        raise DecodeError(Code.BAD_TYPE, "a task is opened or moved")
    if which == 1:
        return Task(
            id=id_,
            what=c.text(limits.MAX_TEXT_CHARS),
            nation=OrgName(c.text(limits.MAX_NAME_CHARS)),
            until_ms=c.optional_uint(),
        )
    state = c.uint(TaskState.REFUSED)
    if not state:
        raise DecodeError(Code.BAD_TYPE, "an unknown state of a task")
    return TaskMoved(id=id_, state=TaskState(state), reason=c.text(limits.MAX_TEXT_CHARS))
