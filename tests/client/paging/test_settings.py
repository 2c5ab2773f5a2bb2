"""The rota's file: read strictly, and every mistake named with its line."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from amanah_client.paging.duty import Command, Duty, Mail, Rota, Shift, Webhook
from amanah_client.paging.settings import parse_rota, read_rota
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.labels import Precedence

WHOLE = """
[page]
least = "flash"
rooms = ["Phishing wave"]

[waits]
desk_seconds = 60
step_seconds = 90.5
repeat_seconds = 300

[mail]
sender = "amanah@cert.example.tn"
via = "/usr/sbin/sendmail"

[[person]]
name = "Analyst on duty"
hooks = [{ command = ["/usr/bin/logger", "paged"] }, { webhook = "https://pager.example.org/hook" }]
shifts = [{ days = ["mon", "fri"], from = "08:00", until = "20:00", zone = "Africa/Tunis" }]

[[person]]
name = "Night"
hooks = [{ mail = "night@cert.example.tn" }]
shifts = [{ from = "20:00", until = "08:00" }]

[backup]
name = "Backup team"
hooks = [{ webhook = "http://127.0.0.1:8080/page" }]
"""


def test_a_file_that_says_everything_is_read_as_it_stands() -> None:
    logger = Command(argv=("/usr/bin/logger", "paged"))
    pager = Webhook(url="https://pager.example.org/hook", host="pager.example.org")
    days = Shift(days=frozenset({0, 4}), begins=time(8), ends=time(20), zone=ZoneInfo("Africa/Tunis"))
    night = Shift(days=frozenset(range(7)), begins=time(20), ends=time(8), zone=ZoneInfo("UTC"))
    assert parse_rota(WHOLE) == Rota(
        least=Precedence.FLASH,
        rooms=("Phishing wave",),
        people=(
            Duty(name="Analyst on duty", hooks=(logger, pager), shifts=(days,)),
            Duty(name="Night", hooks=(Mail(to="night@cert.example.tn"),), shifts=(night,)),
        ),
        backup=Duty(name="Backup team", hooks=(Webhook(url="http://127.0.0.1:8080/page", host="127.0.0.1"),)),
        desk_wait_ms=60_000,
        step_wait_ms=90_500,
        repeat_wait_ms=300_000,
        mail_from="amanah@cert.example.tn",
        mail_via="/usr/sbin/sendmail",
    )


def test_without_a_file_nobody_is_paged_and_one_that_says_nothing_is_the_same(tmp_path: Path) -> None:
    assert read_rota(tmp_path / "paging.toml") == parse_rota("") == Rota()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "paging.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="not UTF-8") as refused:
        read_rota(path)
    assert refused.value.code is Code.CONFIG
    with pytest.raises(UsageError, match="directory"):
        read_rota(tmp_path)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('least = "flash"', 'least = "urgent"', "line 3, page.least: a precedence is wanted: routine, priority"),
        ('least = "flash"', "least = ", "line 3"),
        ('least = "flash"', 'lest = "flash"', "there is no setting 'lest'; 'least' is near"),
        ("[waits]", "[wait]", "there is no setting 'wait'; 'waits' is near"),
        ("desk_seconds = 60", "desk_seconds = 0", "line 7, waits.desk_seconds: Expected `float` > 0.0"),
        ("desk_seconds = 60", 'desk_seconds = "60"', "line 7, waits.desk_seconds: Expected `float`, got `str`"),
        ('sender = "amanah@cert.example.tn"', 'sender = "desk"', "line 12, mail.sender: a plain mail address"),
        ('via = "/usr/sbin/sendmail"', 'via = "smtp:0"', "line 13, mail.via: smtp:PORT"),
        ('via = "/usr/sbin/sendmail"', 'via = "mail.example.org"', "line 13, mail.via: smtp:PORT"),
        ('name = "Night"', 'name = "Analyst on duty"', "line 21, person[1].name: somebody else has this name"),
        ('name = "Night"', 'name = "a\\nb"', "line 21, person[1].name: a name has one line"),
        ('name = "Night"', 'name = ""', "line 21, person[1].name: Expected `str` of length >= 1"),
        ('name = "Backup team"', "", "line 25, backup: Object missing required field `name`"),
        ('[{ mail = "night@cert.example.tn" }]', "[]", "line 22, person[1].hooks: Expected `array` of length >= 1"),
        ('{ mail = "night@cert.example.tn" }', "{ }", "line 22, person[1].hooks[0]: exactly one of command"),
        ('{ mail = "night@cert.example.tn" }', '{ mail = "a@b", webhook = "https://c" }', "exactly one of command"),
        ('{ mail = "night@cert.example.tn" }', '{ mail = "a@b\\nBcc: c@d" }', "line 22, person[1].hooks[0]: a plain"),
        ('{ mail = "night@cert.example.tn" }', '{ mail = "-oQ/tmp@b" }', "line 22, person[1].hooks[0]: a plain"),
        ('"/usr/bin/logger"', '"logger"', "line 17, person[0].hooks[0]: a command begins with the whole path"),
        ('"paged"', '"a\\u0000b"', "line 17, person[0].hooks[0]: a word of a command holds no NUL"),
        ("https://pager.example.org/hook", "http://pager.example.org/", "line 17, person[0].hooks[1]: https://HOST"),
        ("https://pager.example.org/hook", "https://a:b@example.org/", "line 17, person[0].hooks[1]: https://HOST"),
        ("https://pager.example.org/hook", "https://example.org:x/", "this is no address of a webhook"),
        ("https://pager.example.org/hook", "file:///etc/passwd", "line 17, person[0].hooks[1]: https://HOST"),
        ('days = ["mon", "fri"]', 'days = ["monday"]', "line 18, person[0].shifts[0].days: days are mon, tue"),
        ('days = ["mon", "fri"]', "days = []", "line 18, person[0].shifts[0].days: days are mon, tue"),
        ('from = "08:00"', 'from = "8 o\'clock"', "line 18, person[0].shifts[0].from: an hour is wanted"),
        ('until = "08:00"', 'until = "24:00"', "line 23, person[1].shifts[0].until: an hour is wanted"),
        ('zone = "Africa/Tunis"', 'zone = "Tunis"', "line 18, person[0].shifts[0].zone: UTC or a zone"),
        ('zone = "Africa/Tunis"', 'zone = "../etc/passwd"', "line 18, person[0].shifts[0].zone: UTC or a zone"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_line_and_what_is_wanted(right: str, wrong: str, said: str) -> None:
    assert WHOLE.count(right) == 1
    with pytest.raises(UsageError) as refused:
        parse_rota(WHOLE.replace(right, wrong))
    assert refused.value.code is Code.CONFIG
    assert said in refused.value.detail
    assert "amanah duty show" in refused.value.hint


def test_no_text_about_a_hook_shows_what_may_be_secret_in_it() -> None:
    hooks = (
        Command(argv=("/usr/bin/sms", "+21600000000")),
        Webhook(url="https://example.org/secret", host="example.org"),
    )
    assert [hook.text for hook in hooks] == ["command /usr/bin/sms", "webhook at example.org"]
    assert "secret" not in repr(hooks)
