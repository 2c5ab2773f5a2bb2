"""What a program loads before it does anything: nothing that its verb has no use for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "alembic", "amanah_client.core", "amanah_client.store", "amanah_relay.core", "amanah_relay.store", "argon2",
    "asyncio", "babel", "cbor2", "mnemonic", "msgspec", "nacl", "rich.markdown", "sqlalchemy", "sqlcipher3",
    "websockets",
)  # fmt: skip
CLIENT, RELAY = "amanah_client.cli.main", "amanah_relay.cli"
VERBS = (
    "room list", "send room text", "read room", "tail", "alert room", "disclose message --to x", "outbox list",
    "audit verify", "doctor", "org show", "roster show", "device show", "witness status",
)  # fmt: skip


def loaded(program: str, *arguments: str) -> set[str]:
    """The heavy modules that are loaded when a program has done something."""
    script = (
        f"import sys; from {program} import main\n"
        "main(sys.argv[1:]); sys.stdout.flush()\n"
        f"print(*(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return set(ran.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("program", [CLIENT, RELAY])
@pytest.mark.parametrize("asked", ["--version", "--help"])
def test_a_program_that_is_asked_who_it_is_loads_nothing_else(program: str, asked: str) -> None:
    assert loaded(program, asked) == set()


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_of_the_client_loads_what_the_relays_store_is_made_of(verb: str, tmp_path: Path) -> None:
    assert loaded(CLIENT, *verb.split(), "--home", str(tmp_path)).isdisjoint({"sqlalchemy", "alembic", "amanah_relay"})


@pytest.mark.parametrize("verb", ["org show", "roster show", "device show", "witness status"])
def test_a_ceremony_does_not_wait_for_what_the_network_needs(verb: str, tmp_path: Path) -> None:
    assert loaded(CLIENT, *verb.split(), "--home", str(tmp_path)).isdisjoint({"websockets", "asyncio", "argon2"})


def test_the_relays_keys_are_made_without_its_store(tmp_path: Path) -> None:
    assert loaded(RELAY, "keys", "--home", str(tmp_path)).isdisjoint({"sqlalchemy", "websockets", "asyncio"})


@pytest.mark.parametrize("verb", ["room list", "read room", "board room", "outbox list"])
def test_whoever_speaks_english_reads_no_catalogue(verb: str, tmp_path: Path) -> None:
    assert "babel" not in loaded(CLIENT, *verb.split(), "--home", str(tmp_path))


def test_whoever_speaks_another_language_reads_its_catalogue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AMANAH_LANG", "ar")
    assert "babel" in loaded(CLIENT, "room", "list", "--home", str(tmp_path))
