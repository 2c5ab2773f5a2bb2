"""The relay's durable store: the transaction that makes "acknowledged means durable" true.

`Store` is synchronous, `StoreWorker` its face for the event loop. `docs`: the contract stands in
`amanah_relay.effects` and in the docstrings of these two.
"""

from __future__ import annotations

from amanah_relay.store.backup import Backup
from amanah_relay.store.store import Store
from amanah_relay.store.verify import DamageError, LogReport
from amanah_relay.store.worker import StoreEffect, StoreInput, StoreWorker

__all__ = ["Backup", "DamageError", "LogReport", "Store", "StoreEffect", "StoreInput", "StoreWorker"]
