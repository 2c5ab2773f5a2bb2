"""How long the console's pages take on a register of a million entries.

    python -m bench.console [ENTRIES]

The register is filled as `bench.questions` fills it; what is measured is the query behind a page and its drawing,
first when nothing was asked before, then again.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from amanah_client.audit.stamps import Stamps
from amanah_client.console import views
from amanah_client.console.state import Examined, head_of
from amanah_client.console.views import View
from amanah_client.store.copy import AuditCopy
from bench.questions import ENTRIES, Filler, case_of


def main() -> None:
    """Print a line a page."""
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES
    with tempfile.TemporaryDirectory() as folder:
        copy = AuditCopy.open(Path(folder) / "copy.db", bytes(32))
        filler = Filler(copy, entries)
        filler.fill()
        copy.prepare_questions()
        case = case_of(copy, filler)
        examined = Examined(
            report=case.report, stamps=Stamps(), anchor=case.anchor, checkpoint=case.checkpoint,
            head=head_of(case.report, None, 0), verified_at_ms=0,
        )  # fmt: skip
        room, nation = filler.rooms[0].hex(), str(case.record.who(1).organisation)
        pages: Mapping[str, Callable[[Examined], View]] = {
            "overview": lambda e: views.overview(e, {}),
            "entries": lambda e: views.entry_list(e, {}),
            "entries, last": lambda e: views.entry_list(e, {"before": "999999999999"}),
            "entries, middle": lambda e: views.entry_list(e, {"after": str(entries // 2)}),
            "entries of a room": lambda e: views.entry_list(e, {"room": room[:8]}),
            "entries of a nation": lambda e: views.entry_list(e, {"nation": nation}),
            "entries of a rare kind": lambda e: views.entry_list(e, {"kind": "relabel"}),
            "entries of a label": lambda e: views.entry_list(e, {"label": "TLP:RED"}),
            "faults": lambda e: views.entry_list(e, {"faults": "yes"}),
            "one entry": lambda e: views.entry(e, str(entries // 3)),
            "rooms": lambda e: views.room_list(e, {}),
            "the largest room": lambda e: views.room(e, room),
            "a nation": lambda e: views.nation(e, nation),
            "a device": lambda e: views.device(e, filler.devices[0].hex()),
            "plots": lambda e: views.plot_page(e, {}),
        }
        for name, view in pages.items():
            first, again = _seconds(view, examined), _seconds(view, examined)
            print(f"{name:24} {first[0]:7.3f} s, {first[1]:6.3f} s of work; again {again[0]:7.3f} s", flush=True)
        copy.close()


def _seconds(view: Callable[[Examined], View], examined: Examined) -> tuple[float, float]:
    """By the clock, and of work."""
    begin, worked = time.perf_counter(), time.process_time()
    view(examined)
    return time.perf_counter() - begin, time.process_time() - worked


if __name__ == "__main__":
    main()
