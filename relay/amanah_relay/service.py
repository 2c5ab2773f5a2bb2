"""`amanah-relay serve`: keys, store, core and shell put together on one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import importlib.util
import signal
from collections.abc import Callable, Iterator

from amanah_protocol.errors import AmanahError, Code, UsageError
from amanah_relay.addresses import dialled_addresses, port_warning
from amanah_relay.config import Config, is_loopback
from amanah_relay.core import RelayCore
from amanah_relay.gate import Gate
from amanah_relay.keys import RelayKeys
from amanah_relay.logs import configure_logs
from amanah_relay.server import Endpoint, RelayServer
from amanah_relay.shelf import Shelf, ShelfWorker
from amanah_relay.stamps import Stamping
from amanah_relay.state import RelayState
from amanah_relay.store import Store, StoreWorker, held_alone
from amanah_relay.tls import load_server_tls
from amanah_relay.witnesses import Outward


def run_service(config: Config, keys: RelayKeys, listening: Callable[[str], None], warn: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; a second signal ends the process at once.

    Args:
        config: The configuration.
        keys: The relay's keys.
        listening: Called with the address when connections are taken.
        warn: Called with what may be meant, and is likely not.

    Raises:
        UsageError: `CONFIG`.
        VerifyError: `LOGIN` when the roster does not name the keys.
        OperationalError: The port, the store, a process that serves it already, or a fault of the core.
        KeyboardInterrupt: SIGINT ended it, in order.
    """
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(config, keys, listening, warn))


async def serve(config: Config, keys: RelayKeys, listening: Callable[[str], None], warn: Callable[[str], None]) -> None:
    """As `run_service`, on the running loop."""
    with held_alone(config.store.url):
        await _serve(config, keys, listening, warn)


async def _serve(
    config: Config, keys: RelayKeys, listening: Callable[[str], None], warn: Callable[[str], None]
) -> None:
    logger = configure_logs(config.log.level)
    endpoint = _endpoint(config)
    store = Store.open(config.store.url)

    def say(error: AmanahError) -> None:
        logger.error("store %s %s", error.code, error.detail)

    worker = StoreWorker(store, on_error=say)
    section = config.attachments
    shelf = ShelfWorker(Shelf(section.folder, reserve_bytes=section.reserve_bytes), on_error=say)
    try:
        if store.origin != keys.origin:
            raise UsageError(Code.CONFIG, f"the store is of the log {store.origin}, the keys are of {keys.origin}")
        server = RelayServer(
            make_core=lambda state, address: _make_core(config, keys, state, address, warn),
            perform=worker.perform,
            read_tile=worker.read_tile,
            endpoint=endpoint,
            gate=Gate(total=config.limits.unauthenticated, each=config.limits.unauthenticated_per_network),
            logger=logger,
            outward=Outward(addresses=config.witnesses.addresses, timeout_seconds=config.witnesses.timeout_seconds),
            stamping=_stamping(config),
            perform_stamp=worker.perform_stamp,
            shelf=shelf,
        )
        with _stopped_by_signals(server) as received:
            await server.run(listening)
        if signal.SIGINT in received:
            # Everything is closed in order; whoever started it in a shell learns that it was ended by hand.
            raise KeyboardInterrupt
    finally:
        await shelf.close()
        await worker.close()


def _stamping(config: Config) -> Stamping:
    section = config.timestamps
    return Stamping(
        authorities=section.authorities,
        interval_seconds=section.interval_seconds,
        timeout_seconds=section.timeout_seconds,
        renew_days=section.renew_days,
    )


def _endpoint(config: Config) -> Endpoint:
    tls = None
    if config.tls.certificate is not None and config.tls.key is not None:
        tls = load_server_tls(config.tls.certificate, config.tls.key)
    listen = config.listen
    return Endpoint(host=listen.host, port=listen.port, tls=tls, stop_seconds=listen.stop_seconds)


def _make_core(
    config: Config, keys: RelayKeys, state: RelayState, address: str, warn: Callable[[str], None]
) -> RelayCore:
    named = keys.check_named(state.roster.value)
    if (warning := port_warning(named, int(address.rpartition(":")[2]))) is not None:
        warn(warning)
    addresses = set(dialled_addresses(named))
    if is_loopback(config.listen.host):
        # Whoever dials loopback reached this machine: no relay in the middle has that address.
        addresses.add(address)
    # What was loaded stays, and what comes is freed by counting: a full walk through it all takes 20 ms,
    # in which nobody is served, and by default there is one each second under load.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    return RelayCore(
        key=keys.key,
        log_signer=keys.log,
        origin=keys.origin,
        addresses=frozenset(addresses),
        limits=config.limits,
    )


@contextlib.contextmanager
def _stopped_by_signals(server: RelayServer) -> Iterator[list[signal.Signals]]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    received: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        received.append(number)
        server.stop()
        release()

    def release() -> None:
        # The second signal has its usual effect: it ends the process at once.
        for number in numbers:
            loop.remove_signal_handler(number)

    for number in numbers:
        loop.add_signal_handler(number, stop, number)
    try:
        yield received
    finally:
        release()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Uvloop's event loop where that is installed, else the standard library's."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return factory
