"""What is refused for its label when it is asked for is kept (`refusals`), and refused all the same."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, TypeVar

from amanah_client.message import Message
from amanah_client.refusals import KEPT, refusal
from amanah_protocol.errors import AmanahError, OperationalError

if TYPE_CHECKING:
    from amanah_client.room import Room

_ID_DIGITS: Final = 12

P = ParamSpec("P")
T = TypeVar("T")


def kept(what: str) -> Callable[[Callable[Concatenate[Room, P], T]], Callable[Concatenate[Room, P], T]]:
    """Have what something about a room is refused for kept; it is raised all the same.

    Args:
        what: What it makes, in a few words.
    """

    def around(work: Callable[Concatenate[Room, P], T]) -> Callable[Concatenate[Room, P], T]:
        @functools.wraps(work)
        def checked(room: Room, /, *args: P.args, **more: P.kwargs) -> T:
            try:
                return work(room, *args, **more)
            except AmanahError as error:
                if error.code in KEPT:
                    about = next((f" of {one.id.hex()[:_ID_DIGITS]}" for one in args if isinstance(one, Message)), "")
                    _keep(room, error, what + about)
                raise

        return checked

    return around


def _keep(room: Room, error: AmanahError, what: str) -> None:
    now_ms = time.time_ns() // 1_000_000
    # Who was refused has to be told why, also where nothing can be written.
    with contextlib.suppress(OperationalError):
        room.client.profile.store.add_alarm(refusal(now_ms, str(error.code), error.detail, room=room.id, what=what))
