"""The auditor's copy while it grows."""

from __future__ import annotations

from dataclasses import dataclass, field

from amanah_client.log_rows import AuditRow
from amanah_protocol.log.merkle import Frontier


@dataclass(slots=True, kw_only=True)
class Copying:
    """A copy in the making.

    Attributes:
        size: Size of the checkpoint that it leads to.
        root: Its root.
        order: The signed reading order.
        frontier: Right edge of the copy; None until it is proven.
        page: Rows whose proof is on its way.
        ahead: Rows behind these.
        pages: How many pages these came in.
        is_quick: Whether the last page was full, so that it is known where the next ends, and came soon.
        together: How many pages are proven with one proof.
        checkpoint: Size of the last published checkpoint that came.
        dated: Whether all of them came.
        stamped: Whether all time stamps came, too.
    """

    size: int
    root: bytes
    order: bytes
    frontier: Frontier | None
    page: tuple[AuditRow, ...] = ()
    ahead: list[AuditRow] = field(default_factory=list)
    pages: int = 0
    is_quick: bool = False
    together: int = 1
    checkpoint: int = 0
    dated: bool = False
    stamped: bool = False
