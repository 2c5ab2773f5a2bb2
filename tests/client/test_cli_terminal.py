"""How commands speak: exit codes, safe text, questions, files."""

from __future__ import annotations

import errno
import getpass
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from amanah_client.cli import files, opening, questions, terminal
from amanah_client.cli.main import app, main
from amanah_client.cli.terminal import Line, Options
from amanah_protocol.cards import Armour, armour
from amanah_protocol.errors import (
    AmanahError,
    Code,
    DecodeError,
    OperationalError,
    RefusedError,
    UsageError,
    VerifyError,
)
from tests.end_to_end.nations import PROGRAMS
from tests.screen import Screen
from tests.vectors.examples import roster_of

GOOD = "correct horse battery staple seven dice"


class Terminal(io.StringIO):
    """Standard input that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError(Code.USAGE, "x"), terminal.EXIT_USAGE),
        (UsageError(Code.PASSPHRASE, "x"), terminal.EXIT_AUTH),
        (RefusedError(Code.EXPIRED, "x"), terminal.EXIT_AUTH),
        (UsageError(Code.UNKNOWN_ROOM, "x"), terminal.EXIT_NOT_FOUND),
        (RefusedError(Code.NOT_MEMBER, "x"), terminal.EXIT_AUTH),
        (UsageError(Code.NO_PROFILE, "x"), terminal.EXIT_NOT_FOUND),
        (VerifyError(Code.SIGNATURE, "x"), terminal.EXIT_VERIFICATION),
        (DecodeError(Code.MALFORMED, "x"), terminal.EXIT_VERIFICATION),
        (UsageError(Code.UNANCHORED, "x"), terminal.EXIT_VERIFICATION),
        (OperationalError(Code.OFFLINE, "x"), terminal.EXIT_OFFLINE),
        (OperationalError(Code.INTERNAL, "x"), terminal.EXIT_INTERNAL),
        (OperationalError(Code.DISK_FULL, "x"), terminal.EXIT_TRY_LATER),
        (RefusedError(Code.RATE, "x"), terminal.EXIT_TRY_LATER),
        (RefusedError(Code.LABEL, "x"), terminal.EXIT_USAGE),
    ],
)
def test_an_error_has_its_documented_exit_code(error: AmanahError, code: int) -> None:
    assert terminal.exit_code(error) == code


def test_every_exit_code_stands_in_the_documentation_and_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    codes = {value for name, value in vars(terminal).items() if name.startswith("EXIT_") and isinstance(value, int)}
    documented = {int(line.split()[0]) for line in str(terminal.__doc__).splitlines() if line[:5].strip().isdigit()}
    assert documented == codes
    assert {int(number) for number in re.findall(r"(?:: |; )(\d+) ", terminal.EXIT_CODES)} == codes
    assert main(["--help"]) == terminal.EXIT_OK
    assert "Exit codes: 0 done;" in capsys.readouterr().out


def test_an_error_is_one_line_with_what_to_do_and_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert terminal.report(OperationalError(Code.OFFLINE, "no relay\nhere.")) == terminal.EXIT_OFFLINE
    assert capsys.readouterr().err == (
        "amanah: no relay here. The relay cannot be reached; what was to be sent is kept and goes out by itself. "
        "[OFFLINE]\n"
    )


def test_text_of_others_is_shown_as_it_was_written(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say("[bold]not bold[/bold] :warning: \\")
    terminal.show(Line((("[red]x[/red]", "red"), (" :smile:", ""))))
    shown = capsys.readouterr()
    assert shown.err == "[bold]not bold[/bold] :warning: \\\n"
    assert shown.out == "[red]x[/red] :smile:\n"


@pytest.mark.parametrize("character", ["\x1b", "\r", "\u202e", "\u2066", "\u200f", "\u2028", "\ud800", "\x85"])
def test_a_character_that_drives_the_terminal_or_turns_the_line_is_shown_as_its_number(character: str) -> None:
    assert terminal.shown(f"a{character}b") == f"a<{ord(character):04X}>b"


def test_letters_of_every_script_pass_unchanged() -> None:
    text = "Réponse: رصدنا صفحات — 日本語 e\u0301\u200d"
    assert terminal.shown(text) == text


def test_each_right_to_left_line_of_others_is_isolated_by_itself() -> None:
    assert terminal.isolated("رد\nab\u2069c") == "\u2068رد\u2069\nab<2069>c"


def test_a_table_is_not_folded_where_no_person_looks(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show_table(("name", "value"), [("a", "x" * 300), ("b\x1b", "")])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "x" * 300 in lines[1]
    assert "b<001B>" in lines[2]


def test_times_are_utc_and_an_unknown_time_is_a_dash() -> None:
    assert terminal.clock(0) == "1970-01-01 00:00:00Z"
    assert terminal.clock(None) == "-"
    assert terminal.iso(1_234) == "1970-01-01T00:00:01.234Z"
    assert terminal.iso(None) is None


@pytest.mark.parametrize("at_ms", [-1, 253_402_300_800_000, 2**63 - 1, 2**64])
def test_a_time_that_no_calendar_has_is_shown_as_none(at_ms: int) -> None:
    assert terminal.clock(at_ms) == "-"
    assert terminal.iso(at_ms) is None


def test_the_last_second_of_the_year_9999_is_a_time() -> None:
    assert terminal.iso(253_402_300_799_000) == "9999-12-31T23:59:59.000Z"


@pytest.mark.parametrize("character", ["\x1b", "\x7f", "\x9b", "\u202e", "\u2028"])
@pytest.mark.parametrize("write", [terminal.show_json, terminal.show_line])
def test_json_holds_no_character_that_drives_a_terminal_and_reads_back_the_same(
    write: Callable[[object], None], character: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write({"text": f"a{character}b"})
    out = capsys.readouterr().out
    assert character not in out
    assert json.loads(out) == {"text": f"a{character}b"}


def test_a_name_stays_on_its_line() -> None:
    assert terminal.single("officer A\n  12  TLP:RED  B: forged") == "officer A   12  TLP:RED  B: forged"


def test_a_cell_of_a_table_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show_table(("title",), [("Wave\nforged",)])
    assert "Wave forged" in capsys.readouterr().out


def test_json_is_one_document_and_a_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show_json({"a": "ر"})
    assert json.loads(capsys.readouterr().out) == {"a": "ر"}
    terminal.show_line({"a": "x\ny"})
    assert capsys.readouterr().out == '{"a": "x\\ny"}\n'


def test_a_terminal_that_lacks_a_character_gets_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", narrow)
    terminal.prepare()
    terminal.show("ر")
    narrow.flush()
    assert narrow.buffer.getvalue() == b"\\u0631\n"


# ---- questions


def test_no_passphrase_is_asked_for_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("secret\n"))
    for ask in (questions.ask_passphrase, questions.new_passphrase):
        with pytest.raises(UsageError) as caught:
            ask()
        assert caught.value.code is Code.PASSPHRASE


def test_a_passphrase_is_asked_for_on_a_terminal_and_a_new_one_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    answers = iter(["one", GOOD, GOOD, *(3 * [GOOD, GOOD + "!"])])
    monkeypatch.setattr(getpass, "getpass", lambda _: next(answers))
    assert questions.ask_passphrase() == "one"
    assert questions.new_passphrase() == GOOD
    with pytest.raises(UsageError) as caught:
        questions.new_passphrase()
    assert caught.value.code is Code.PASSPHRASE
    assert next(answers, None) is None


def test_what_will_not_do_as_a_passphrase_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    asked: list[str] = []
    answers = iter(["too short", GOOD, "mistyped", GOOD, GOOD])

    def answer(prompt: str) -> str:
        asked.append(prompt.split(maxsplit=1)[0])
        return next(answers)

    monkeypatch.setattr(getpass, "getpass", answer)
    assert questions.new_passphrase() == GOOD
    assert asked == ["New", "New", "Again:", "New", "Again:"]
    said = capsys.readouterr().err
    assert "the passphrase is too short: 9 characters. Take six dice words" in said
    assert "the two differ; once more" in said


def test_one_made_by_chance_is_not_thrown_away_when_it_is_mistyped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(questions, "made_passphrase", lambda: GOOD)
    answers = iter(["", "mistyped", "again", GOOD])
    monkeypatch.setattr(getpass, "getpass", lambda _: next(answers))
    assert questions.new_passphrase() == GOOD
    assert capsys.readouterr().err.count(f"made by chance: {GOOD}") == 1


def test_the_end_of_input_instead_of_a_passphrase_is_no_fault_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(_: str) -> str:
        raise EOFError

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", end)
    for ask in (questions.ask_passphrase, questions.new_passphrase):
        with pytest.raises(UsageError, match="no passphrase was typed"):
            ask()


@pytest.mark.parametrize("weak", ["hunter2", "a" * 40, "1234567890" * 3, "abcdefghijklmnopqrstuvwxyz", "password" * 3])
def test_a_passphrase_below_the_floor_is_refused_before_it_is_to_be_repeated(
    weak: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    answers = iter(3 * [weak])
    monkeypatch.setattr(getpass, "getpass", lambda _: next(answers))
    with pytest.raises(UsageError) as caught:
        questions.new_passphrase()
    assert caught.value.code is Code.PASSPHRASE
    assert "at least 20 characters" in caught.value.hint
    assert weak not in str(caught.value)


def test_whoever_gives_none_is_offered_one_made_by_chance(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    offered: list[str] = []

    def answer(prompt: str) -> str:
        if "Again" not in prompt:
            return ""
        offered.append(capsys.readouterr().err.splitlines()[0].removeprefix("made by chance: "))
        return offered[0]

    monkeypatch.setattr(getpass, "getpass", answer)
    assert questions.new_passphrase() == offered[0]
    assert len(offered[0].split()) == 7


def test_what_cannot_be_undone_wants_the_word_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("Phishing wave\nother\n"))
    questions.confirm("Removing", "Phishing wave", yes=False)
    with pytest.raises(UsageError) as caught:
        questions.confirm("Removing", "Phishing wave", yes=False)
    assert caught.value.code is Code.USAGE


def test_without_a_terminal_only_yes_confirms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("Phishing wave\n"))
    questions.confirm("Removing", "Phishing wave", yes=True)
    with pytest.raises(UsageError) as caught:
        questions.confirm("Removing", "Phishing wave", yes=False)
    assert "--yes" in caught.value.hint


# ---- files


def test_a_file_that_cannot_be_read_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"x")
    assert files.read_file(tmp_path / "there") == b"x"
    with pytest.raises(UsageError) as caught:
        files.read_file(tmp_path / "missing")
    assert caught.value.code is Code.NOT_FOUND


def test_a_dash_is_standard_input_and_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"in")))
    assert files.read_file(Path("-")) == b"in"
    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", out)
    files.write_file(Path("-"), b"out")
    files.check_new(Path("-"))
    assert out.buffer.getvalue() == b"out"


def test_armour_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "card"
    path.write_text(armour(Armour.RELAY, b"x"))
    assert files.read_armoured(path, Armour.RELAY) == b"x"
    with pytest.raises(DecodeError) as caught:
        files.read_armoured(path, Armour.ROSTER)
    assert caught.value.code is Code.BAD_TYPE


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "result"
    files.write_file(path, "first")
    with pytest.raises(UsageError) as caught:
        files.write_file(path, "second")
    assert caught.value.code is Code.USAGE
    with pytest.raises(UsageError):
        files.check_new(path)
    assert path.read_text() == "first"


@pytest.mark.parametrize("write", [files.write_file, files.replace_file])
def test_a_file_that_cannot_be_written_is_an_error_of_the_machine(
    tmp_path: Path, write: Callable[[Path, str], None]
) -> None:
    with pytest.raises(OperationalError) as caught:
        write(tmp_path / "no folder" / "result", "x")
    assert caught.value.code is Code.STORE


def test_a_replaced_file_holds_the_new_text_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "roster"
    path.write_text("old")
    files.replace_file(path, "new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, Code.DISK_FULL), (errno.EDQUOT, Code.DISK_FULL), (errno.EROFS, Code.STORE)]
)
def test_an_error_of_the_disk_says_whether_it_is_full(number: int, code: Code) -> None:
    found = terminal.operational(OSError(number, "words of the system"), "profile")
    assert (found.code, found.detail) == (code, "profile: words of the system")
    assert terminal.operational(OSError()).detail == "input or output failed"


# ---- the last word on every error


def _fails_with(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], int]:
    """Runs a command that fails in a given way; gives the exit code."""

    def run(error: BaseException) -> int:
        app.command(_fails_with(error), name="fail-for-a-test")
        try:
            return main(["fail-for-a-test"])
        finally:
            del app["fail-for-a-test"]

    return run


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OperationalError(Code.DISK_FULL, "full"), terminal.EXIT_TRY_LATER),
        (KeyboardInterrupt(), terminal.EXIT_INTERRUPTED),
        (PermissionError(errno.EACCES, "denied", "profile"), terminal.EXIT_TRY_LATER),
        (ZeroDivisionError("what was sealed"), terminal.EXIT_INTERNAL),
    ],
)
def test_no_failure_ends_in_a_traceback(
    failing: Callable[[BaseException], int], error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(error) == code
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "what was sealed" not in said
    assert said.count("\n") <= 1


_WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(("jinja2", "starlette", "uvicorn")))
from amanah_client.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("words", [("audit", "console"), ("witness", "serve", "--listen", "127.0.0.1:0")])
def test_a_verb_whose_extra_is_not_installed_names_it(words: tuple[str, ...], tmp_path: Path) -> None:
    assert main(["witness", "init", "--name", "cert.example.tn/witness", "--home", str(tmp_path)]) == terminal.EXIT_OK
    command = (sys.executable, "-c", _WITHOUT, *words, "--home", str(tmp_path))
    ran = subprocess.run(command, capture_output=True, check=False, text=True)
    assert ran.returncode == terminal.EXIT_USAGE
    assert "pip install 'amanah[web]'" in ran.stderr


def test_a_module_of_the_program_that_is_missing_is_its_fault(failing: Callable[[BaseException], int]) -> None:
    assert failing(ModuleNotFoundError(name="amanah_client.nothing")) == terminal.EXIT_INTERNAL


def test_a_fault_of_the_program_shows_where_it_is_to_whoever_asks(
    failing: Callable[[BaseException], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMANAH_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        failing(ZeroDivisionError())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sned", "room"], 'Did you mean "send"?'),
        (["org", "init"], "amanah org init --help"),
        (["room", "create", "title"], "--label"),
        (["send", "room", "text", "--pap", "purple"], "amanah send --help"),
        (["audit", "list", "--since", "18:01"], "'18:01' is not a time. Write it as 2026-11-23 or 2026-11-23T12:00"),
        (["audit", "export", "x", "--until", "now"], "--until: 'now' is not a time."),
    ],
)
def test_a_wrong_command_line_is_exit_code_2_and_says_where_help_is(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == terminal.EXIT_USAGE
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_a_profile_that_is_not_there_is_exit_code_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["room", "list", "--home", str(tmp_path)]) == terminal.EXIT_NOT_FOUND
    assert "amanah device request" in capsys.readouterr().err


def test_the_home_of_the_command_line_goes_before_that_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMANAH_HOME", str(tmp_path / "one"))
    with pytest.raises(UsageError, match="two"):
        opening.profile(Options(home=tmp_path / "two"))
    with pytest.raises(UsageError, match="one"):
        opening.profile(Options())


# ---- narrow terminals


ID = "3fa9c1d2" * 8


@pytest.mark.parametrize("write", [terminal.show, terminal.say])
def test_a_line_is_folded_between_words_alone_and_an_id_stays_whole(
    screen: Callable[[], Screen], write: Callable[[str], None]
) -> None:
    shown = screen()
    write(f"{'word ' * 15}{ID} 2001:db8:0:0:0:0:0:1 {'word ' * 5}")
    lines = shown.getvalue().splitlines()
    assert any(ID in line for line in lines)
    assert max(len(line) for line in lines if ID not in line) <= 60
    assert " ".join(shown.getvalue().split()) == f"{'word ' * 15}{ID} 2001:db8:0:0:0:0:0:1 {'word ' * 5}".strip()


def test_what_is_folded_of_a_line_in_parts_is_indented_and_keeps_its_style(screen: Callable[[], Screen]) -> None:
    shown = screen()
    terminal.show(Line((("1  ", ""), ("TLP:RED", "red"), ("  " + "word " * 20, "")), indent=7))
    first, second, *_ = shown.getvalue().splitlines()
    assert first.startswith("1  ")
    assert second.startswith("       word")


def test_a_table_folds_no_column_that_is_copied_from(screen: Callable[[], Screen]) -> None:
    shown = screen()
    terminal.show_table(("title", "device"), [("word " * 30, ID[:32])], whole=("device",))
    assert ID[:32] in shown.getvalue()
    assert len(shown.getvalue().splitlines()) > 3


# ---- dashes, and readers who have enough


def test_what_looks_like_an_option_is_none_where_it_stood_behind_two_dashes() -> None:
    terminal.prepare(["send", "room", "--", "-v"])
    terminal.check_no_option("-v", "hint")
    terminal.prepare(["send", "room", "-v"])
    with pytest.raises(UsageError) as caught:
        terminal.check_no_option("-v", "hint")
    assert (caught.value.code, caught.value.hint) == (Code.USAGE, "hint")
    for text in ("-", "- a list", "--", "--- rule", "a-b"):
        terminal.check_no_option(text, "hint")


@pytest.mark.parametrize("words", [["--help"], ["roster", "show", "r.txt"], ["roster", "show", "r.txt", "--json"]])
def test_a_reader_that_has_enough_is_no_error(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text(armour(Armour.ROSTER, roster_of().endorsed.encode()))
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [str(PROGRAMS / "amanah"), *words], stdout=writing, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_what_an_error_follows_is_flushed_to_nobody_without_a_word(tmp_path: Path) -> None:
    """The pipe breaks when the interpreter ends, behind the last word on every error."""
    reading, writing = os.pipe()
    os.close(reading)
    script = (
        "import sys; from amanah_client.cli import main\n"
        "from amanah_protocol.errors import Code, UsageError\n"
        "def fail() -> None:\n sys.stdout.write('shown'); raise UsageError(Code.USAGE, 'x')\n"
        "main.app.command(fail, name='fail'); sys.exit(main.main(['fail']))"
    )
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    ended = subprocess.run(
        [sys.executable, "-c", script],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env=buffered,
    )
    os.close(writing)
    assert ended.stderr == "amanah: x. See `--help`. [USAGE]\n"
    assert ended.returncode == terminal.EXIT_USAGE
