"""The auditor's copy while it grows."""

from __future__ import annotations

from dataclasses import dataclass

from amanah_client.model import AuditRow
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
        checkpoint: Size of the last published checkpoint that came.
        dated: Whether all of them came.
        stamped: Whether all time stamps came, too.
    """

    size: int
    root: bytes
    order: bytes
    frontier: Frontier | None
    page: tuple[AuditRow, ...] = ()
    ahead: tuple[AuditRow, ...] = ()
    checkpoint: int = 0
    dated: bool = False
    stamped: bool = False
