"""Every fuzz target on seeds that were damaged in a repeatable way; no fuzzer is needed for that."""

from __future__ import annotations

from random import Random
from typing import Final

import pytest

from tests.fuzz.targets import Target, load, names

EXECUTIONS: Final = 300
NUMBERS: Final = (0x00, 0x17, 0x18, 0x1B, 0x1F, 0x40, 0x58, 0x7F, 0x80, 0x9F, 0xA0, 0xBF, 0xC1, 0xD2, 0xDD, 0xF5, 0xFF)
"""Bytes that begin something in CBOR or MessagePack, or stand at the edge of a range."""


def damaged(target: Target, random: Random) -> bytes:
    """One of the seeds with one to four pieces changed."""
    data = bytearray(random.choice(target.seeds))
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(data) + 1)
        match random.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << random.randrange(8)
            case 1 if at < len(data):
                data[at] = random.choice(NUMBERS)
            case 2:
                del data[at : at + random.randint(1, 40)]
            case 3:
                data[at:at] = random.randbytes(random.randint(1, 9))
            case 4:
                other = random.choice(target.seeds)
                start = random.randrange(len(other))
                data[at : at + random.randint(0, 40)] = other[start : start + random.randint(1, 40)]
            case _:
                data = data[:at]
    return bytes(data)


@pytest.mark.parametrize("name", names())
def test_every_seed_is_accepted(name: str) -> None:
    target = load(name)
    assert target.seeds
    assert all(target.attempt(seed) for seed in target.seeds)


@pytest.mark.parametrize("name", names())
def test_damaged_input_is_refused_with_a_typed_error_or_accepted_whole(name: str) -> None:
    target, random = load(name), Random(name)
    refused = sum(not target.attempt(damaged(target, random)) for _ in range(EXECUTIONS))
    assert refused > EXECUTIONS // 2


@pytest.mark.parametrize("name", names())
def test_no_bytes_at_all_are_refused(name: str) -> None:
    assert not load(name).attempt(b"")
