"""`amanah desk` over a clock that a test moves, with a passphrase that a test knows.

    python -m tests.browser.clocked HOME CLOCK PASSPHRASE

`CLOCK` is a file with the seconds by which the clock is ahead. A profile's own passphrase is tried elsewhere. While a
file `rooms` or `reports` stands beside it, no room is loaded, or no report made.
"""

from __future__ import annotations

import sys
import time
from importlib import import_module
from pathlib import Path
from types import ModuleType

from amanah_client.cli.main import main
from amanah_client.desk import serving
from amanah_client.home import Home
from amanah_client.web import launch
from amanah_client.web.sessions import running_s
from amanah_protocol.errors import Code, UsageError


def run(home: str, clock: str, passphrase: str) -> int:
    """Serve until it is ended."""

    def check(_: Home, given: str) -> None:
        if given != passphrase:
            raise UsageError(Code.PASSPHRASE, "the passphrase is wrong")

    def now_s() -> float:
        return running_s() + float(Path(clock).read_text(encoding="ascii"))

    def waits_for(what: str) -> None:
        while Path(clock).with_name(what).exists():
            time.sleep(0.02)

    def load(name: str) -> ModuleType:
        waits_for("rooms")
        loaded = import_module(name)
        taking = import_module("amanah_client.report.taking")
        read_room = taking.read_room

        def read_late(client: object, room: object) -> object:
            waits_for("reports")
            return read_room(client, room)

        setattr(taking, "read_room", read_late)  # noqa: B010 - no type of the module's is meant
        return loaded

    replaced = (
        (launch, "running_s", now_s), (serving, "running_s", now_s),
        (serving, "has_passphrase", lambda _: True), (serving, "check_passphrase", check),
        (serving, "import_module", load),
    )  # fmt: skip
    for module, name, other in replaced:
        assert hasattr(module, name)
        setattr(module, name, other)
    return main(["desk", "--no-browser", "--json", "--home", home])


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
