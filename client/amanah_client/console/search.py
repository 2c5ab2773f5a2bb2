"""Where the one search box leads: to the page of the one thing that was meant, or to a list of what it may be."""

from __future__ import annotations

from amanah_client.audit.questions.search import Hit, Hits


def page_of(hit: Hits) -> str:
    """The address of what was found."""
    match hit.hit:
        case Hit.ROOM:
            return f"/room/{hit.key}"
        case Hit.NATION:
            return f"/nation/{hit.key}"
        case Hit.DEVICE:
            return f"/device/{hit.key}"
        case _:
            return "" if hit.index is None else f"/entry/{hit.index}"
