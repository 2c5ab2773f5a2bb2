"""The keystore as a caller meets it; its format is in `test_keystore_format`, faults in `test_keystore_faults`."""

from __future__ import annotations

import base64
import copy
import os
import pickle
import resource
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from amanah_client.keystore import (
    CEREMONY_COST,
    FLOOR_COST,
    OFFICER_COST,
    Argon2Cost,
    Credential,
    Kdf,
    KeyFile,
    Keystore,
    Passphrase,
    check_strength,
    create_key_file,
    create_keystore,
    made_passphrase,
    open_keystore,
    read_kdf,
)
from amanah_client.keystore.unlock import derive_kek
from amanah_protocol.errors import Code, OperationalError, UsageError

SECRETS: Final = {"device": bytes(range(32)), "store": b"\x07" * 32}
ARABIC: Final = "رصدنا صفحات تصيد كثيرة"
WORDS: Final = "correct horse battery staple seven dice"


@pytest.fixture
def key_file(tmp_path: Path) -> KeyFile:
    return create_key_file(tmp_path / "key")


@pytest.fixture
def keystore(tmp_path: Path, key_file: KeyFile) -> Keystore:
    return create_keystore(tmp_path / "keystore", key_file, SECRETS)


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Leave this process 32 MiB more than it has."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 32 * 2**20, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def test_a_keystore_opens_again_with_its_key_file(tmp_path: Path, key_file: KeyFile, keystore: Keystore) -> None:
    opened = open_keystore(tmp_path / "keystore", key_file)
    assert opened.secrets == keystore.secrets == SECRETS
    assert read_kdf(tmp_path / "keystore") is Kdf.KEY_FILE


def test_a_keystore_opens_again_with_its_passphrase_at_the_real_cost(tmp_path: Path) -> None:
    path = tmp_path / "keystore"
    create_keystore(path, Passphrase(text=WORDS), SECRETS)
    assert open_keystore(path, Passphrase(text=WORDS)).secrets == SECRETS
    assert (OFFICER_COST.memory_kib, OFFICER_COST.passes, OFFICER_COST.lanes) == (262_144, 3, 4)
    assert read_kdf(path) is Kdf.ARGON2ID


def test_a_wrong_passphrase_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keystore"
    create_keystore(path, Passphrase(text=WORDS, cost=FLOOR_COST), SECRETS)
    before = path.read_bytes()
    with pytest.raises(UsageError) as caught:
        open_keystore(path, Passphrase(text=WORDS + " "))
    assert caught.value.code is Code.PASSPHRASE
    assert path.read_bytes() == before


def test_opening_follows_the_cost_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "keystore"
    create_keystore(path, Passphrase(text=WORDS, cost=FLOOR_COST), SECRETS)
    assert open_keystore(path, Passphrase(text=WORDS, cost=CEREMONY_COST)).secrets == SECRETS


def test_an_accent_is_the_same_from_every_keyboard(tmp_path: Path) -> None:
    path = tmp_path / "keystore"
    create_keystore(path, Passphrase(text=WORDS + " caf\N{LATIN SMALL LETTER E WITH ACUTE}", cost=FLOOR_COST), SECRETS)
    assert open_keystore(path, Passphrase(text=WORDS + " cafe\N{COMBINING ACUTE ACCENT}")).secrets == SECRETS


@pytest.mark.parametrize("weak", ["", "hunter2", WORDS[:19], "ab" * 20, "1234567890" * 3, "abcdefghijklmnopqrstuvwxyz"])
def test_a_passphrase_below_the_floor_makes_no_keystore(tmp_path: Path, weak: str) -> None:
    with pytest.raises(UsageError) as caught:
        create_keystore(tmp_path / "keystore", Passphrase(text=weak, cost=FLOOR_COST), SECRETS)
    assert caught.value.code is Code.PASSPHRASE
    assert not (tmp_path / "keystore").exists()


def test_a_keystore_is_not_changed_to_a_passphrase_below_the_floor(keystore: Keystore) -> None:
    with pytest.raises(UsageError):
        keystore.change_unlock(Passphrase(text="hunter2", cost=FLOOR_COST))
    assert keystore.secrets == SECRETS


@pytest.mark.parametrize("text", [WORDS, WORDS[:20], ARABIC])
def test_a_passphrase_at_the_floor_is_taken_in_any_script(text: str) -> None:
    check_strength(text)


def test_a_passphrase_made_by_chance_stands_above_the_floor() -> None:
    made = {made_passphrase() for _ in range(50)}
    assert len(made) == 50
    for text in made:
        check_strength(text)


def test_a_keystore_whose_passphrase_is_below_the_floor_still_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before_there_was_one:
        before_there_was_one.setattr("amanah_client.keystore.keystore.check_strength", lambda _: None)
        create_keystore(tmp_path / "keystore", Passphrase(text="hunter2", cost=FLOOR_COST), SECRETS)
    assert open_keystore(tmp_path / "keystore", Passphrase(text="hunter2")).secrets == SECRETS


def test_missing_memory_is_said_and_not_a_crash(tmp_path: Path, little_memory: None) -> None:
    with pytest.raises(OperationalError) as caught:
        create_keystore(tmp_path / "keystore", Passphrase(text=WORDS), SECRETS)
    assert caught.value.code is Code.NO_MEMORY
    assert "256 MiB" in caught.value.detail


def test_another_key_file_is_refused(tmp_path: Path, keystore: Keystore) -> None:
    other = create_key_file(tmp_path / "other")
    with pytest.raises(UsageError) as caught:
        open_keystore(tmp_path / "keystore", other)
    assert caught.value.code is Code.PASSPHRASE
    assert "another" in caught.value.detail


@pytest.mark.parametrize("unlock", [Passphrase(text=WORDS), Credential(name="amanah")])
def test_a_way_of_opening_of_another_kind_is_refused_by_name(
    tmp_path: Path, keystore: Keystore, unlock: Passphrase | Credential
) -> None:
    with pytest.raises(UsageError, match="opened with a key file") as caught:
        open_keystore(tmp_path / "keystore", unlock)
    assert caught.value.code is Code.USAGE


def test_a_profile_without_a_keystore_is_said_so(tmp_path: Path, key_file: KeyFile) -> None:
    with pytest.raises(UsageError) as caught:
        open_keystore(tmp_path / "keystore", key_file)
    assert caught.value.code is Code.NO_PROFILE
    with pytest.raises(UsageError):
        read_kdf(tmp_path / "keystore")


def test_a_keystore_is_never_overwritten(tmp_path: Path, key_file: KeyFile, keystore: Keystore) -> None:
    with pytest.raises(UsageError) as caught:
        create_keystore(tmp_path / "keystore", key_file, {"device": b"other"})
    assert caught.value.code is Code.USAGE
    assert open_keystore(tmp_path / "keystore", key_file).secrets == SECRETS


# what is written


def test_a_put_is_there_after_opening_again(tmp_path: Path, key_file: KeyFile, keystore: Keystore) -> None:
    keystore.put("root-1", b"r" * 32)
    keystore.put("device", b"d" * 32)
    expected = SECRETS | {"root-1": b"r" * 32, "device": b"d" * 32}
    assert keystore.secrets == expected
    assert open_keystore(tmp_path / "keystore", key_file).secrets == expected


def test_one_previous_generation_is_kept_and_opens(tmp_path: Path, key_file: KeyFile, keystore: Keystore) -> None:
    keystore.put("device", b"1")
    keystore.put("device", b"2")
    assert open_keystore(tmp_path / "keystore.previous", key_file).secrets["device"] == b"1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "keystore", "keystore.lock", "keystore.previous"]


def test_a_secret_that_another_process_put_there_stays(tmp_path: Path, key_file: KeyFile, keystore: Keystore) -> None:
    other = open_keystore(tmp_path / "keystore", key_file)
    other.put("enrolment", b"e")
    keystore.put("root-1", b"r")
    assert keystore.secrets == SECRETS | {"enrolment": b"e", "root-1": b"r"}


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path, key_file: KeyFile, keystore: Keystore) -> None:
    def write(prefix: str) -> None:
        mine = open_keystore(tmp_path / "keystore", key_file)
        for number in range(10):
            mine.put(f"{prefix}{number}", b"x")

    threads = [threading.Thread(target=write, args=(prefix,)) for prefix in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(open_keystore(tmp_path / "keystore", key_file).secrets) == len(SECRETS) + 30


def test_no_nonce_or_salt_is_used_twice(tmp_path: Path, key_file: KeyFile) -> None:
    drawn: list[bytes] = []

    def random(length: int) -> bytes:
        drawn.append(os.urandom(length))
        return drawn[-1]

    keystore = create_keystore(tmp_path / "keystore", key_file, SECRETS, random)
    keystore.put("device", b"1")
    keystore.put("device", b"1")
    keystore.change_unlock(key_file)
    # create: salt, wrap nonce, data key, seal nonce; put: seal nonce; change: salt, wrap nonce
    assert [len(value) for value in drawn] == [16, 24, 32, 24, 24, 24, 16, 24]
    written = (tmp_path / "keystore").read_bytes()
    assert [value in written for value in drawn] == [False, False, False, False, False, True, True, True]


def test_files_are_readable_by_their_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        key = create_key_file(tmp_path / "key")
        create_keystore(tmp_path / "keystore", key, SECRETS).put("device", b"1")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("key", "keystore", "keystore.lock", "keystore.previous"), 0o600)


def test_no_file_holds_a_secret_or_the_passphrase(tmp_path: Path) -> None:
    canary = b"CANARY-" + bytes(range(25))
    keystore = create_keystore(tmp_path / "keystore", Passphrase(text=WORDS, cost=FLOOR_COST), {"device": canary})
    keystore.put("store", canary)
    keystore.change_unlock(Passphrase(text=WORDS + "!", cost=FLOOR_COST))
    disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    forms = (
        canary,
        canary.hex().encode(),
        base64.b64encode(canary),
        b"CANARY",
        WORDS.encode(),
        b"device",
        b"store\x58",
    )
    assert len(disk) > 2 * len(canary)
    assert [form for form in forms if form in disk] == []


# changing what opens it


def test_after_a_change_the_new_way_opens_and_the_old_one_does_not(
    tmp_path: Path, key_file: KeyFile, keystore: Keystore
) -> None:
    keystore.put("device", b"1")
    keystore.change_unlock(Passphrase(text=WORDS, cost=FLOOR_COST))
    for name in ("keystore", "keystore.previous"):
        assert open_keystore(tmp_path / name, Passphrase(text=WORDS)).secrets == SECRETS | {"device": b"1"}
        with pytest.raises(UsageError):
            open_keystore(tmp_path / name, key_file)


def test_after_a_change_the_same_object_still_writes(tmp_path: Path, key_file: KeyFile, keystore: Keystore) -> None:
    new = create_key_file(tmp_path / "new")
    keystore.change_unlock(new)
    keystore.put("device", b"1")
    assert open_keystore(tmp_path / "keystore", new).secrets["device"] == b"1"
    with pytest.raises(UsageError):
        open_keystore(tmp_path / "keystore", key_file)


def test_a_change_re_wraps_the_key_and_leaves_the_sealed_secrets(
    tmp_path: Path, key_file: KeyFile, keystore: Keystore
) -> None:
    path = tmp_path / "keystore"
    before = path.read_bytes()
    keystore.change_unlock(key_file)
    after = path.read_bytes()
    sealed = len(b"".join(SECRETS.values()))
    assert after != before
    assert after[-32 - sealed : -32] == before[-32 - sealed : -32]


# key files and credentials


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o601, 0o620])
def test_a_key_file_open_to_others_is_refused_with_the_command_that_mends_it(
    tmp_path: Path, key_file: KeyFile, keystore: Keystore, mode: int
) -> None:
    key_file.path.chmod(mode)
    with pytest.raises(UsageError, match=f"chmod 600 {key_file.path}") as caught:
        open_keystore(tmp_path / "keystore", key_file)
    assert caught.value.code is Code.CONFIG
    key_file.path.chmod(0o400)
    assert open_keystore(tmp_path / "keystore", key_file).secrets == SECRETS


def test_the_command_that_mends_a_mode_survives_a_space_in_the_path(tmp_path: Path) -> None:
    key = create_key_file(tmp_path / "my key")
    key.path.chmod(0o644)
    with pytest.raises(UsageError, match=r"chmod 600 '.*/my key'"):
        create_keystore(tmp_path / "keystore", key, SECRETS)


def test_a_key_file_of_another_user_is_refused(
    tmp_path: Path, key_file: KeyFile, keystore: Keystore, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    with pytest.raises(UsageError, match="belongs to another user"):
        open_keystore(tmp_path / "keystore", key_file)


@pytest.mark.parametrize(
    "content", [b"", b"00" * 31, b"00" * 33, b"zz" * 32, b" " + b"00" * 32, b"0" * 63 + b"_", b"\n" + b"00" * 32]
)
def test_a_key_file_without_a_key_is_refused(
    tmp_path: Path, key_file: KeyFile, keystore: Keystore, content: bytes
) -> None:
    key_file.path.write_bytes(content)
    with pytest.raises(UsageError, match="64 hexadecimal digits") as caught:
        open_keystore(tmp_path / "keystore", key_file)
    assert content.decode() == "" or content.decode() not in caught.value.detail


def test_a_key_file_that_is_absent_or_no_file_is_refused(tmp_path: Path, keystore: Keystore) -> None:
    with pytest.raises(UsageError, match="cannot be opened"):
        open_keystore(tmp_path / "keystore", KeyFile(path=tmp_path / "nothing"))
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(UsageError, match="not a regular file"):
        open_keystore(tmp_path / "keystore", KeyFile(path=tmp_path / "pipe"))


def test_a_key_file_is_never_overwritten(tmp_path: Path, key_file: KeyFile) -> None:
    before = key_file.path.read_bytes()
    with pytest.raises(UsageError) as caught:
        create_key_file(key_file.path)
    assert caught.value.code is Code.CONFIG
    assert key_file.path.read_bytes() == before


def test_one_key_file_gives_each_keystore_a_key_of_its_own(key_file: KeyFile) -> None:
    first, second = (derive_kek(key_file, salt=bytes([number]) * 16, cost=None) for number in (1, 2))
    assert first != second
    assert bytes.fromhex(key_file.path.read_text(encoding="ascii")) not in {first, second}


def test_a_systemd_credential_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "amanah").write_text("5a" * 32 + "\n", encoding="ascii")
    credential = Credential(name="amanah")
    create_keystore(tmp_path / "keystore", credential, SECRETS)
    assert open_keystore(tmp_path / "keystore", credential).secrets == SECRETS
    assert read_kdf(tmp_path / "keystore") is Kdf.CREDENTIAL


@pytest.mark.parametrize("name", ["", ".", "..", "../key", "/etc/hostname"])
def test_a_credential_that_is_a_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(UsageError, match="not a name of a credential"):
        create_keystore(tmp_path / "keystore", Credential(name=name), SECRETS)


def test_a_credential_that_is_absent_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(UsageError, match="cannot be opened"):
        create_keystore(tmp_path / "keystore", Credential(name="amanah"), SECRETS)


def test_a_credential_outside_systemd_is_refused_with_the_setting_to_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(UsageError, match="LoadCredential="):
        create_keystore(tmp_path / "keystore", Credential(name="amanah"), SECRETS)


# bounds


@pytest.mark.parametrize("name", ["a", "x" * 64])
@pytest.mark.parametrize("secret", [b"1", bytes(65_536)])
def test_a_secret_at_its_bounds_is_kept(keystore: Keystore, name: str, secret: bytes) -> None:
    keystore.put(name, secret)
    assert keystore.secrets[name] == secret


@pytest.mark.parametrize(
    ("name", "secret", "code"),
    [
        ("", b"1", Code.USAGE),
        ("x" * 65, b"1", Code.USAGE),
        ("a\n", b"1", Code.USAGE),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}", b"1", Code.USAGE),
        ("a", b"", Code.TOO_LARGE),
        ("a", bytes(65_537), Code.TOO_LARGE),
        ("a", bytearray(b"1"), Code.USAGE),
    ],
)
def test_a_secret_out_of_bounds_is_refused(keystore: Keystore, name: str, secret: bytes, code: Code) -> None:
    with pytest.raises(UsageError) as caught:
        keystore.put(name, secret)
    assert caught.value.code is code
    assert keystore.secrets == SECRETS


def test_a_thousand_secrets_are_kept_and_one_more_is_refused(tmp_path: Path, key_file: KeyFile) -> None:
    secrets = {f"s{number}": b"x" for number in range(1_000)}
    keystore = create_keystore(tmp_path / "keystore", key_file, secrets)
    with pytest.raises(UsageError) as caught:
        keystore.put("one more", b"x")
    assert caught.value.code is Code.TOO_LARGE
    assert open_keystore(tmp_path / "keystore", key_file).secrets == secrets


def test_a_key_set_that_would_not_fit_into_the_file_is_refused(tmp_path: Path, key_file: KeyFile) -> None:
    keystore = create_keystore(tmp_path / "keystore", key_file, {f"s{n}": bytes(65_536) for n in range(15)})
    with pytest.raises(UsageError) as caught:
        keystore.put("one more", bytes(65_536))
    assert caught.value.code is Code.TOO_LARGE
    assert len(open_keystore(tmp_path / "keystore", key_file).secrets) == 15


@pytest.mark.parametrize(
    ("memory_kib", "passes", "lanes"),
    [(65_535, 3, 1), (1_048_577, 3, 1), (65_536, 2, 1), (65_536, 11, 1), (65_536, 3, 0), (65_536, 3, 17)],
)
def test_an_argon2id_cost_out_of_bounds_is_refused(memory_kib: int, passes: int, lanes: int) -> None:
    with pytest.raises(UsageError) as caught:
        Argon2Cost(memory_kib=memory_kib, passes=passes, lanes=lanes)
    assert caught.value.code is Code.CONFIG


def test_an_argon2id_cost_at_its_bounds_is_allowed() -> None:
    assert Argon2Cost(memory_kib=65_536, passes=3, lanes=1) == FLOOR_COST
    assert Argon2Cost(memory_kib=1_048_576, passes=10, lanes=16).memory_kib == CEREMONY_COST.memory_kib


# in memory


def test_nothing_that_is_printed_shows_a_secret(keystore: Keystore) -> None:
    keystore.put("store", b"CANARY")
    assert "CANARY" not in repr(keystore) + str(keystore)
    assert "'store'" in repr(keystore)
    assert WORDS not in repr(Passphrase(text=WORDS))


def test_nothing_that_holds_a_secret_is_pickled_or_copied(keystore: Keystore) -> None:
    for value in (keystore, Passphrase(text=WORDS)):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(value)
        with pytest.raises(TypeError, match="not pickled"):
            copy.deepcopy(value)


def test_the_view_of_the_secrets_cannot_be_written(keystore: Keystore) -> None:
    with pytest.raises(TypeError):
        keystore.secrets["device"] = b""  # type: ignore[index]  # the refusal is what is tested


def test_a_closed_keystore_holds_no_secret_and_writes_nothing(tmp_path: Path, keystore: Keystore) -> None:
    before = (tmp_path / "keystore").read_bytes()
    keystore.close()
    keystore.close()
    assert keystore.secrets == {}
    with pytest.raises(UsageError, match="closed"):
        keystore.put("device", b"1")
    with pytest.raises(UsageError, match="closed"):
        keystore.change_unlock(Passphrase(text=WORDS))
    assert (tmp_path / "keystore").read_bytes() == before


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux alone")
def test_a_process_that_forbids_memory_dumps_leaves_no_core_and_no_debugger() -> None:
    program = (
        "import ctypes, resource\n"
        "from amanah_client.process import forbid_memory_dumps\n"
        "before = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)\n"
        "forbid_memory_dumps()\n"
        "print(before, ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert run.stdout.split() == ["1", "0", "0", "0"]
