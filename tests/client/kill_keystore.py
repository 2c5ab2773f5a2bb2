"""A program that kills itself inside each system call of a keystore's write, one fork for each.

`kill_keystore.py FOLDER put|change_unlock` leaves one folder for each call, `FOLDER/<n>`, as the kill
left it, and prints how many there are.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from amanah_client.keystore import KeyFile, create_key_file, create_keystore, open_keystore

CALLS = ((os, "open"), (os, "read"), (os, "write"), (os, "fsync"), (os, "replace"), (os, "unlink"), (fcntl, "flock"))


def write(folder: Path, action: str) -> None:
    """The write that is killed."""
    keystore = open_keystore(folder / "keystore", KeyFile(path=folder / "old"))
    if action == "put":
        keystore.put("device", b"new")
    else:
        keystore.change_unlock(KeyFile(path=folder / "new"))


def kill_in_call(number: int) -> None:
    """From now on, die in the numbered call: after half of a write, before anything else."""
    seen = 0

    def wrap(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - stands in for any system call
            nonlocal seen
            seen += 1
            if seen == number:
                if name == "write":
                    original(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)

        return call

    for module, name in CALLS:
        setattr(module, name, wrap(name, getattr(module, name)))


def main(root: Path, action: str) -> int:
    """Kill in the first call, the second and so on, until the write comes to its end."""
    number = 0
    while True:
        number += 1
        folder = root / str(number)
        folder.mkdir()
        old = create_key_file(folder / "old")
        create_key_file(folder / "new")
        create_keystore(folder / "keystore", old, {"device": b"old"})
        child = os.fork()
        if child == 0:
            kill_in_call(number)
            write(folder, action)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            return number


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), sys.argv[2]))  # noqa: T201 - its result for the test
