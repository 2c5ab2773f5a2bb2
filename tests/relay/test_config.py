from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from amanah_protocol.errors import Code, UsageError
from amanah_relay.config import is_loopback, load_config
from amanah_relay.quotas import RelayLimits


def write(folder: Path, text: str) -> Path:
    path = folder / "relay.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path | None, home: Path | None = None, **environment: str) -> str:
    with pytest.raises(UsageError) as caught:
        load_config(path, home, environment)
    assert caught.value.code is Code.CONFIG
    return caught.value.detail


def test_without_a_file_a_relay_listens_on_loopback_with_the_limits_of_the_threat_model(tmp_path: Path) -> None:
    config = load_config(None, tmp_path, {})
    assert config.listen.host == "127.0.0.1"
    assert not config.secure
    assert config.limits == RelayLimits()
    assert config.keys.file == tmp_path / "relay.keys"
    assert config.store.url == f"sqlite:///{tmp_path}/relay.db"


def test_every_setting_of_the_file_counts(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [listen]
        host = "192.0.2.1"
        port = 443
        stop_seconds = 3
        [tls]
        certificate = "tls/relay.crt"
        key = "/etc/amanah/relay.key"
        [keys]
        file = "secret/relay.keys"
        [store]
        url = "sqlite:///data/relay.db"
        [limits]
        room_per_second = 0.5
        sessions = 7
        [log]
        level = "debug"
        """,
    )
    config = load_config(path, None, {})
    assert (config.listen.host, config.listen.port, config.listen.stop_seconds) == ("192.0.2.1", 443, 3)
    assert config.tls.certificate == tmp_path / "tls/relay.crt"
    assert config.tls.key == Path("/etc/amanah/relay.key")
    assert config.keys.file == tmp_path / "secret/relay.keys"
    assert config.store.url == f"sqlite:///{tmp_path}/data/relay.db"
    assert config.limits == RelayLimits(room_per_second=0.5, sessions=7)
    assert config.log.level == "debug"


@pytest.mark.parametrize("url", ["sqlite:////var/lib/amanah/relay.db", "sqlite://", "postgresql+psycopg:///amanah"])
def test_a_store_that_is_not_a_relative_file_is_left_as_it_is(tmp_path: Path, url: str) -> None:
    assert load_config(write(tmp_path, f'[store]\nurl = "{url}"\n'), None, {}).store.url == url


def test_the_environment_goes_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, '[listen]\nport = 1\n[log]\nlevel = "error"\n')
    config = load_config(
        path,
        None,
        {
            "AMANAH_RELAY_LISTEN_PORT": "2",
            "AMANAH_RELAY_LIMITS_ROOM_PER_SECOND": "12.5",
            "AMANAH_RELAY_KEYS_FILE": "other.keys",
            "PATH": "/bin",
        },
    )
    assert (config.listen.port, config.log.level, config.limits.room_per_second) == (2, "error", 12.5)
    assert config.keys.file == tmp_path / "other.keys"


def test_every_setting_can_be_given_by_the_environment(tmp_path: Path) -> None:
    for limit in fields(RelayLimits):
        value = getattr(RelayLimits(), limit.name)
        config = load_config(None, tmp_path, {f"AMANAH_RELAY_LIMITS_{limit.name.upper()}": str(value)})
        assert config.limits == RelayLimits()


def test_the_file_named_by_a_flag_goes_before_the_one_named_by_the_environment(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    flag, variable = write(tmp_path, "[listen]\nport = 1\n"), write(tmp_path / "other", "[listen]\nport = 2\n")
    assert load_config(flag, None, {"AMANAH_RELAY_CONFIG": str(variable)}).listen.port == 1
    assert load_config(None, None, {"AMANAH_RELAY_CONFIG": str(variable)}).listen.port == 2


def test_the_file_in_the_home_is_read_and_goes_before_the_environment(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    write(tmp_path, "[listen]\nport = 1\n")
    other = write(tmp_path / "other", "[listen]\nport = 2\n")
    assert load_config(None, tmp_path, {"AMANAH_RELAY_CONFIG": str(other)}).listen.port == 1


def test_the_file_in_the_working_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "[listen]\nport = 1\n")
    monkeypatch.chdir(tmp_path)
    config = load_config(None, None, {})
    assert (config.listen.port, config.keys.file) == (1, tmp_path / "relay.keys")


def test_a_named_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert "no such configuration file" in refusal(tmp_path / "none.toml")
    assert "no such configuration file" in refusal(None, AMANAH_RELAY_CONFIG=str(tmp_path / "none.toml"))


def test_a_file_and_a_home_at_once_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_config(write(tmp_path, ""), tmp_path, {})
    assert caught.value.code is Code.USAGE


@pytest.mark.parametrize(
    ("text", "named", "meant"),
    [
        ("[listn]\nport = 1\n", "'listn'", "did you mean 'listen'?"),
        ("[listen]\nprot = 1\n", "'prot'", "did you mean 'port'?"),
        ("[limits]\nroom_per_secnd = 1\n", "'room_per_secnd'", "did you mean 'room_per_second'?"),
        ("[log]\ncolour = 1\n", "'colour'", "known: level"),
        ("port = 1\n", "'port'", "known: attachments, keys, limits, listen, log, store, timestamps, tls"),
    ],
)
def test_a_setting_that_does_not_exist_is_named_with_the_nearest_that_does(
    tmp_path: Path, text: str, named: str, meant: str
) -> None:
    detail = refusal(write(tmp_path, text))
    assert named in detail
    assert meant in detail


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("AMANAH_RELAY_LISTEN_PROT", "did you mean 'AMANAH_RELAY_LISTEN_PORT'?"),
        ("AMANAH_RELAY_CONFIGURATION", "'AMANAH_RELAY_CONFIGURATION'"),
        ("AMANAH_RELAY_", "'AMANAH_RELAY_'"),
    ],
)
def test_a_variable_that_does_not_exist_is_an_error(tmp_path: Path, variable: str, meant: str) -> None:
    assert meant in refusal(None, tmp_path, **{variable: "1"})


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[listen]\nport = "1"\n', "listen.port"),
        ("[listen]\nport = 65536\n", "listen.port"),
        ("[listen]\nport = -1\n", "listen.port"),
        ("[listen]\nstop_seconds = 0\n", "listen.stop_seconds"),
        ('[log]\nlevel = "loud"\n', "log.level"),
        ("[limits]\nsessions = 0\n", "limits.sessions"),
        ("[limits]\nsessions = 1.5\n", "limits.sessions"),
        ("listen = 1\n", "listen"),
        ("[keys]\nfile = 1\n", "keys.file"),
        ('[keys]\nfile = ""\n', "keys.file"),
    ],
)
def test_a_value_out_of_its_range_is_named_by_its_place(tmp_path: Path, text: str, place: str) -> None:
    assert f"{place}: " in refusal(write(tmp_path, text))


@pytest.mark.parametrize(("variable", "value"), [("LISTEN_PORT", "many"), ("LISTEN_PORT", "65536"), ("LOG_LEVEL", "x")])
def test_a_variable_out_of_its_range_is_named(tmp_path: Path, variable: str, value: str) -> None:
    assert f"AMANAH_RELAY_{variable}" in refusal(None, tmp_path, **{f"AMANAH_RELAY_{variable}": value})


def test_a_file_that_is_no_toml_is_named_with_the_line(tmp_path: Path) -> None:
    detail = refusal(write(tmp_path, "[listen]\nport = \n"))
    assert str(tmp_path / "relay.toml") in detail
    assert "line 2" in detail


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "relay.toml").write_bytes(b"\xff\xfe")
    assert str(tmp_path / "relay.toml") in refusal(tmp_path / "relay.toml")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "")

    def fail(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", fail)
    assert "Permission denied" in refusal(path)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "relay.example.org", ""])
def test_plain_websockets_are_refused_beyond_loopback(tmp_path: Path, host: str) -> None:
    text = f'[listen]\nhost = "{host}"\n'
    assert "needs [tls]" in refusal(write(tmp_path, text))
    secure = load_config(write(tmp_path, text + '[tls]\ncertificate = "a"\nkey = "b"\n'), None, {})
    assert secure.secure


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_plain_websockets_are_allowed_on_loopback(tmp_path: Path, host: str) -> None:
    assert load_config(write(tmp_path, f'[listen]\nhost = "{host}"\n'), None, {}).listen.host == host
    assert is_loopback(host)


@pytest.mark.parametrize("line", ['certificate = "a"', 'key = "a"'])
def test_half_of_a_certificate_is_refused(tmp_path: Path, line: str) -> None:
    assert "both certificate and key" in refusal(write(tmp_path, f"[tls]\n{line}\n"))
