"""The real stores under a simulated world: SQLite behind the relay, SQLCipher behind every client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from amanah_client import model
from amanah_client.store import LocalStore
from amanah_protocol.crypto import sha256
from amanah_relay.store import Store
from tests.simulation.client_store import ClientStore
from tests.simulation.community import ORIGIN
from tests.simulation.relay_store import RelayStore
from tests.simulation.scheduler import START_MS
from tests.simulation.world import Build


@contextmanager
def durable_build(folder: Path) -> Iterator[Build]:
    """A build whose stores are files in a folder; they are closed at the end."""
    with ExitStack() as stack:
        opened: list[Store] = []
        stack.callback(_close_all, opened)

        def relay_store(roster: bytes) -> Callable[[], RelayStore]:
            url = f"sqlite:///{folder / 'relay.db'}"
            Store.init(url, roster=roster, origin=ORIGIN, now_ms=START_MS - 60_000).close()

            def reopen() -> RelayStore:
                """As a process that begins: nothing of the one before is held open."""
                while opened:
                    opened.pop().close()
                opened.append(Store.open(url))
                return opened[0]

            return reopen

        def client_store(name: str, profile: model.Snapshot) -> ClientStore:
            store = LocalStore(folder / f"{name}.db", sha256(name.encode()), create=True)
            stack.callback(store.close)
            store.install(
                certificate=profile.certificate,
                enrolment=profile.enrolment,
                profile=profile.profile,
                roster=profile.roster,
            )
            return store

        yield Build(client_store=client_store, relay_store=relay_store)


def _close_all(opened: list[Store]) -> None:
    for store in opened:
        store.close()
