"""The relay's durable store: the transaction that makes "acknowledged means durable" true.

`Store` is synchronous, `StoreWorker` its face for the event loop. What they promise stands in
`amanah_relay.effects` and in their docstrings; `tests/relay/store/test_contract.py` holds any engine to it.
"""

from __future__ import annotations

from amanah_relay.store.backup import Backup
from amanah_relay.store.holding import held_alone
from amanah_relay.store.store import Store
from amanah_relay.store.verify import DamageError, LogReport
from amanah_relay.store.worker import StoreEffect, StoreInput, StoreWorker

__all__ = ["Backup", "DamageError", "LogReport", "Store", "StoreEffect", "StoreInput", "StoreWorker", "held_alone"]
