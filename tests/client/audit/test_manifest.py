"""The manifest: one form, and nothing that reads the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from amanah_client.audit.manifest import decode_manifest
from amanah_protocol.errors import Code, DecodeError
from tests.client.audit.bundles import manifest_of, members_of
from tests.client.audit.world import incident
from tests.protocol.refusal import refused

TOLD = incident()
MADE = manifest_of(TOLD, members_of(TOLD), disclosed=(bytes(32),))
ENCODED = MADE.encode()


def test_a_manifest_is_read_back() -> None:
    assert decode_manifest(ENCODED) == MADE
    assert ENCODED.isascii()
    assert ENCODED.endswith(b"}\n")
    assert b'"exported": "2026-09-21T15:13:20.000Z"' in ENCODED


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data + b"\n",
        lambda data: data.replace(b"  ", b" "),
        lambda data: data.replace(b'"from": 0', b'"from": 0.0'),
        lambda data: data.replace(b'"control"', b'"\\u0063ontrol"'),
        lambda data: data.replace(b'"disclosed": [', b'"disclosed": [],\n  "disclosed": ['),
        lambda data: json.dumps(json.loads(data)).encode(),
        lambda data: b"\xef\xbb\xbf" + data,
        lambda _: b"[" * 100_000,
        lambda _: b"",
        lambda _: b"null\n",
    ],
)
def test_another_form_of_it_is_refused(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(DecodeError):
        decode_manifest(change(ENCODED))


def put(value: object, *path: str) -> bytes:
    """The manifest with another value at a path; None takes the field away."""
    document = json.loads(ENCODED)
    place: dict[str, Any] = document
    for name in path[:-1]:
        place = place[name]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def test_a_manifest_put_together_anew_is_the_same() -> None:
    assert put(0, "complete", "from") == ENCODED


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (1, ("complete", "from")),
        (-1, ("complete", "control")),
        (2**63, ("complete", "control")),
        (TOLD.log.size + 1, ("complete", "until")),
        ("2026-09-21T15:13:20Z", ("exported",)),
        ("2026-09-21T15:13:20.000+00:00", ("exported",)),
        ("2026-13-21T15:13:20.000Z", ("exported",)),
        ("1969-12-31T23:59:59.000Z", ("exported",)),
        ("00", ("exporter", "device")),
        ("AB" * 32, ("exporter", "device")),
        (True, ("exporter", "certificate")),
        ("x", ("log", "size")),
        (["00"], ("disclosed",)),
        ([{"room": "00" * 16, "first": 1}], ("complete", "rooms")),
        ("more", ("more",)),
        ("more", ("log", "more")),
        (None, ("log",)),
        (None, ("exporter", "organisation")),
    ],
)
def test_a_field_of_another_form_is_refused(value: object, path: tuple[str, ...]) -> None:
    with pytest.raises(DecodeError):
        decode_manifest(put(value, *path))


def test_another_version_is_said_to_be_one() -> None:
    with refused(Code.UNKNOWN_VERSION, DecodeError):
        decode_manifest(put("amanah evidence 2", "format"))
