"""What this machine can do at best, so that results are ratios and not boasts."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

from amanah_protocol.crypto import SigningKey, verify_signature

ROUNDS: Final = 5
SECONDS: Final = 0.5
SIGNED_BYTES: Final = 400
"""About the Sig_structure of an envelope."""
ROW_BYTES: Final = 1_024


def rate(once: Callable[[], object]) -> float:
    """Calls a second, the median of a few rounds."""
    rates = []
    for _ in range(ROUNDS):
        start, calls = perf_counter(), 0
        while (spent := perf_counter() - start) < SECONDS:
            for _ in range(8):
                once()
            calls += 8
        rates.append(calls / spent)
    return median(rates)


def verifications_per_s() -> float:
    """Ed25519 verifications on one core, by the function that the relay uses."""
    key = SigningKey.from_seed(secrets.token_bytes(32))
    message = secrets.token_bytes(SIGNED_BYTES)
    signature = key.sign(message)
    return rate(lambda: verify_signature(key.public, signature, message))


def verifications_on_all_cores_per_s() -> float:
    """The same on all cores at once: they share what one alone has for itself."""
    cores = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        return sum(one.result() for one in [pool.submit(verifications_per_s) for _ in range(cores)])


def commits_per_s(folder: Path) -> float:
    """SQLite transactions of one row, WAL and `synchronous=FULL`, on the disk of `folder`."""
    with TemporaryDirectory(dir=folder) as name:
        database = sqlite3.connect(Path(name) / "commits.db", isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE entry (id INTEGER PRIMARY KEY, data BLOB NOT NULL)")
        row = (secrets.token_bytes(ROW_BYTES),)
        found = rate(lambda: database.execute("INSERT INTO entry (data) VALUES (?)", row))
        database.close()
        return found
