from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

import pytest

from amanah_protocol.errors import AmanahError, Code, OperationalError, UsageError
from amanah_protocol.log.note_keys import decode_vkey
from amanah_relay.keys import create_relay_keys, load_relay_keys

ORIGIN: Final = "relay.example.org/log"


def test_keys_that_were_made_are_read_back(tmp_path: Path) -> None:
    made = create_relay_keys(tmp_path / "relay.keys", ORIGIN)
    read = load_relay_keys(tmp_path / "relay.keys")
    assert read.card() == made.card()
    assert read.origin == ORIGIN
    assert read.key.sign(b"x") == made.key.sign(b"x")


def test_the_card_names_the_keys_by_which_signatures_verify(tmp_path: Path) -> None:
    keys = create_relay_keys(tmp_path / "relay.keys", ORIGIN)
    card = keys.card(("wss://relay.example.org:8443",), (bytes(32),))
    assert card.relay_id == keys.key.key_id
    assert decode_vkey(card.log_vkey) == keys.log.verifier
    assert (card.addresses, card.tls_hashes) == (("wss://relay.example.org:8443",), (bytes(32),))


def test_the_file_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        create_relay_keys(tmp_path / "relay.keys", ORIGIN)
    finally:
        os.umask(before)
    assert (tmp_path / "relay.keys").stat().st_mode & 0o777 == 0o600


def test_two_relays_never_get_the_same_keys(tmp_path: Path) -> None:
    assert create_relay_keys(tmp_path / "a", ORIGIN).card() != create_relay_keys(tmp_path / "b", ORIGIN).card()


def test_existing_keys_are_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "relay.keys"
    create_relay_keys(path, ORIGIN)
    before = path.read_bytes()
    with pytest.raises(UsageError) as caught:
        create_relay_keys(path, ORIGIN)
    assert caught.value.code is Code.CONFIG
    assert path.read_bytes() == before


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\nb", "x" * 256])
def test_an_origin_that_no_log_can_have_is_refused_before_anything_is_written(tmp_path: Path, origin: str) -> None:
    with pytest.raises(UsageError) as caught:
        create_relay_keys(tmp_path / "relay.keys", origin)
    assert caught.value.code is Code.MALFORMED
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, Code.DISK_FULL), (errno.EDQUOT, Code.DISK_FULL), (errno.EIO, Code.STORE)]
)
def test_a_disk_that_fails_leaves_no_half_made_key_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: Code
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OperationalError) as caught:
        create_relay_keys(tmp_path / "relay.keys", ORIGIN)
    assert caught.value.code is code
    assert list(tmp_path.iterdir()) == []


def test_missing_keys_are_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_relay_keys(tmp_path / "relay.keys")
    assert caught.value.code is Code.NOT_INITIALISED
    assert "amanah-relay keys" in caught.value.hint


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_keys_that_others_can_read_are_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "relay.keys"
    create_relay_keys(path, ORIGIN)
    path.chmod(mode)
    with pytest.raises(UsageError) as caught:
        load_relay_keys(path)
    assert caught.value.code is Code.CONFIG
    assert "chmod 600" in caught.value.detail


def test_a_folder_or_a_pipe_in_the_place_of_keys_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("folder", "pipe"):
        with pytest.raises(UsageError) as caught:
            load_relay_keys(tmp_path / name)
        assert caught.value.code is Code.CONFIG


def test_a_file_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError) as caught:
        load_relay_keys(tmp_path / "file" / "relay.keys")
    assert caught.value.code is Code.CONFIG
    with pytest.raises(OperationalError):
        create_relay_keys(tmp_path / "file" / "relay.keys", ORIGIN)


def test_a_damaged_key_file_is_refused_without_showing_any_of_it(tmp_path: Path) -> None:
    path = tmp_path / "relay.keys"
    create_relay_keys(path, ORIGIN)
    text = path.read_text()
    secret = text.split('relay = "')[1][:64]
    skey = text.split("log = ")[1]
    broken = [
        text.replace(secret, secret[:-1]),
        text.replace(secret, "zz" + secret[2:]),
        text.replace("log =", "lag ="),
        text.replace("log.e", "", 1) if "log.e" in text else text.replace("+", "-"),
        f'{text}more = "{secret}"\n',
        f'relay = "{secret}',
        f"relay = {secret}\nlog = {skey}",
        "",
    ]
    for number, content in enumerate(broken):
        path.write_text(content)
        with pytest.raises(UsageError) as caught:
            load_relay_keys(path)
        assert caught.value.code is Code.CONFIG, number
        assert not shows(caught.value, secret), number
        assert not shows(caught.value, skey.split("+")[-1][:20]), number


def shows(error: AmanahError, secret: str) -> bool:
    """Whether an error, or anything it was raised from, holds a part of a secret."""
    chain: BaseException | None = error
    while chain is not None:
        if secret[:16] in f"{chain!r} {chain}":
            return True
        chain = chain.__cause__
    return False


def test_a_representation_of_keys_shows_no_secret(tmp_path: Path) -> None:
    keys = create_relay_keys(tmp_path / "relay.keys", ORIGIN)
    secret = (tmp_path / "relay.keys").read_text().split('relay = "')[1][:64]
    assert secret not in repr(keys)
