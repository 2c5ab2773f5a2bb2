"""What a process with an open keystore forbids the system to do with its memory."""

from __future__ import annotations

import ctypes
import resource
import sys
from typing import Final

from amanah_protocol.errors import Code, OperationalError

_PR_SET_DUMPABLE: Final = 4


def forbid_memory_dumps() -> None:
    """Allow no core dump and, on Linux, no debugger of the same user (prctl(2), PR_SET_DUMPABLE).

    A core file would put every open key on the disk in plain form. Children inherit the former;
    `execve` undoes the latter. Root can still read everything.

    Raises:
        OperationalError: `STORE` when the system refuses.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OperationalError(Code.STORE, "the system does not let this process forbid memory dumps")
