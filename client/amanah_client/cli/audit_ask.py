"""`amanah audit ask` and `search`: questions to the examined copy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter

from amanah_client.audit.export_entries import who_json
from amanah_client.audit.questions import words
from amanah_client.audit.questions.case import MAX_ROWS, Case, open_case
from amanah_client.audit.questions.question import Cell, Proof, Question
from amanah_client.audit.questions.registry import QUESTIONS, Answer, ask, needs, question_of
from amanah_client.audit.questions.search import Hits
from amanah_client.audit.questions.search import search as search_record
from amanah_client.audit.report import Who
from amanah_client.cli import audit_json, files, opening, terminal
from amanah_client.cli.audit_words import raise_for
from amanah_client.cli.terminal import DEFAULTS, Options
from amanah_client.commands import at_home
from amanah_client.moments import iso, moment
from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.labels import Label

_BAD: Final = "bold white on red"
_LISTED: Final = 3


def ask_question(
    question: str = "",
    /,
    *,
    nation: str | None = None,
    room: str | None = None,
    message: str | None = None,
    entry: str | None = None,
    device: str | None = None,
    label: str | None = None,
    since: str | None = None,
    limit: int = MAX_ROWS,
    common: Options = DEFAULTS,
) -> None:
    """Ask the copy a question; without one, list the questions. Exit code 5 if the record does not hold.

    Each answer says for which entries it speaks, what it cannot say, and for each row which entries prove
    it: `amanah audit prove INDEX` writes the proof of one.

    Example: amanah audit ask first-learned --nation cert.example.ma --room 3f2a91bc

    Parameters
    ----------
    question
        Its name.
    nation
        A nation, as cert.example.ma.
    room
        First digits of a room's id.
    message
        First digits of an envelope's id, or its log index.
    entry
        The log index of any entry, or first digits of an envelope's id.
    device
        First digits of a device's id or of a pseudonym.
    label
        A label, as TLP:AMBER.
    since
        A time (UTC), for example 2026-11-23 or 2026-11-23T12:00.
    limit
        Rows at the most.
    """
    options = {
        "nation": nation, "room": room, "message": message, "entry": entry, "device": device, "label": label,
        "since": since,
    }  # fmt: skip
    given = {name: text for name, text in options.items() if text is not None}
    if not question:
        _list_questions(given, common)
        return
    if limit < 1:
        raise UsageError(Code.USAGE, "an answer has at least one row", hint="Give --limit a number from 1 on.")
    asked = question_of(question)
    with opening.profile(common) as profile, open_case(profile, limit) as case:
        answer = ask(asked, case, given)
        if common.json:
            terminal.show_json(answer_json(case, answer))
        else:
            _show_answer(answer)
        raise_for(case.report)


def _list_questions(given: dict[str, str], common: Options) -> None:
    if given:
        raise UsageError(Code.USAGE, "no question was named", hint="`amanah audit ask` lists them.")
    if common.json:
        terminal.show_json({"format": audit_json.FORMAT, "questions": [_question_json(name) for name in QUESTIONS]})
        return
    for name, question in QUESTIONS.items():
        terminal.show(f"{name}: {question.sentence}")
        for parameter, described in question.parameters.items():
            text = f"    --{parameter}  {described.help}{_needed(question, parameter)}"
            terminal.show(terminal.Line(((text, ""),), indent=8))


def _needed(question: Question[Any, Any], parameter: str) -> str:
    group = next((group for group in needs(question) if parameter in group), ())
    if len(group) == 1:
        return ""
    return f" (one of {words.listed(f'--{name}' for name in group)})" if group else " (optional)"


def _question_json(name: str) -> dict[str, object]:
    question = QUESTIONS[name]
    return {
        "question": name,
        "sentence": question.sentence,
        "parameters": [
            {"name": key, "takes": str(taken.takes), "help": taken.help} for key, taken in question.parameters.items()
        ],
        "needs": [list(group) for group in needs(question)],
        "columns": [
            {"name": key, "heading": column.heading, "cell": str(column.cell)}
            for key, column in question.columns.items()
        ],
    }


# ---- an answer, for people


def _show_answer(answer: Answer) -> None:
    if answer.trouble:
        show(answer.trouble, style=_BAD)
    for sentence in answer.found.said:
        show(sentence)
    columns = answer.question.columns
    for number, row in enumerate(answer.found.rows, start=1):
        parts = [
            f"{column.heading} {text}"
            for name, column in columns.items()
            if column.cell is not Cell.PROOF and (text := _text(column.cell, getattr(row, name))) != "-"
        ]
        wrong = any("DOES NOT HOLD" in part for part in parts)
        show(f"{number:>4}  {'; '.join(parts)}; proof: {_proof(row.proof)}", style=_BAD if wrong else "", indent=6)
    if answer.found.left_out:
        left = words.counted(answer.found.left_out, "further row")
        show(f"{left} not shown: narrow the question, or give a larger --limit")
    show(answer.range)
    for sentence in answer.found.limits:
        show(f"Not shown: {sentence}")
    if first := next((row.proof.indices[0] for row in answer.found.rows if row.proof.indices), None):
        show(f"Check it yourself: {_check_words(first)}")


def _check_words(index: int) -> str:
    return at_home(
        f"`amanah audit prove {index} --out {index}.tlog-proof` writes the proof of entry {index}, and "
        f"`amanah audit check {index}.tlog-proof` verifies it without this copy, against the rosters that this profile "
        "trusts. Whoever has no profile gives --policy FILE instead; any C2SP tlog-proof verifier can do it.",
        terminal.home_words(),
    )


def _text(cell: Cell, value: Any) -> str:  # noqa: ANN401, PLR0911 - one for each kind of cell, whose type it says
    if value is None:
        return "-"
    match cell:
        case Cell.TIME:
            return moment(value)
        case Cell.DURATION:
            return words.duration(value)
        case Cell.WHO:
            return str(value.text)
        case Cell.ROOM:
            return str(value.hex()[:8])
        case Cell.LABEL:
            return str(value.text)
        case _:
            return str(value)


def _proof(value: Proof) -> str:
    named = ", ".join(map(str, value.indices)) or "none"
    return f"{named} and {value.more} more" if value.more else named


def show(text: str, *, style: str = "", indent: int = 0) -> None:
    """One line."""
    terminal.show(terminal.Line(((terminal.single(text), style),), indent=indent))


# ---- an answer, for programs


def answer_json(case: Case, answer: Answer) -> dict[str, object]:
    """An answer, under the state of the whole record."""
    scope, bad = case.report.scope, case.report.first_bad
    columns = answer.question.columns
    return {
        "format": audit_json.FORMAT,
        "question": answer.question.name,
        "sentence": answer.question.sentence,
        "given": dict(answer.given),
        "holds": not case.report.faults,
        "first_bad": None if bad is None else audit_json.finding_json(bad),
        "trouble": answer.trouble or None,
        "answer": list(answer.found.said),
        "rows": [
            {name: _cell_json(column.cell, getattr(row, name)) for name, column in columns.items()}
            for row in answer.found.rows
        ],
        "left_out": answer.found.left_out,
        "range": {
            "said": answer.range,
            "origin": case.report.origin,
            "leaves": scope.leaves,
            "bare": scope.bare,
            "first": iso(scope.first_ms),
            "last": iso(scope.last_ms),
        },
        "limits": list(answer.found.limits),
    }


def _cell_json(cell: Cell, value: Any) -> object:  # noqa: ANN401, PLR0911 - as `_text`
    if value is None:
        return None
    match cell:
        case Cell.TIME:
            return iso(value)
        case Cell.WHO:
            assert isinstance(value, Who)  # noqa: S101 - narrows for mypy: the column says so
            return who_json(value)
        case Cell.ROOM:
            return value.hex()
        case Cell.LABEL:
            assert isinstance(value, Label)  # noqa: S101 - the same
            return value.text
        case Cell.PROOF:
            return {"log_indices": list(value.indices), "more": value.more}
        case _:
            return value


# ---- search


def search(text: Annotated[str, Parameter(allow_leading_hyphen=True)], /, *, common: Options = DEFAULTS) -> None:
    """Find anything in the copy. Exit code 5 if the record, or a receipt, does not hold.

    Parameters
    ----------
    text
        First digits of an id, a nation, a log index, or a receipt (hex, base64 or a tlog-proof); `-` reads it
        from standard input.
    """
    terminal.check_no_option(text, "See `amanah audit search --help`.")
    wanted = files.read_file(Path(text)).decode("utf-8", "replace") if text == "-" else text
    with opening.profile(common) as profile, open_case(profile) as case:
        found = search_record(case, wanted)
        if common.json:
            terminal.show_json(
                {
                    "format": audit_json.FORMAT,
                    "holds": not case.report.faults,
                    "hits": [_hit_json(hit) for hit in found],
                }
            )
        else:
            if trouble := words.trouble(case.report):
                show(trouble, style=_BAD)
            for hit in found:
                show(f"{hit.hit}: {hit.text}", style="" if hit.holds else _BAD, indent=4)
                for question in hit.ask[:_LISTED]:
                    show(f"    amanah audit ask {question}{terminal.home_words()}")
        raise_for(case.report)
        if wrong := next((hit for hit in found if not hit.holds), None):
            raise VerifyError(Code.RECEIPT, wrong.text)


def _hit_json(hit: Hits) -> dict[str, object]:
    return {
        "hit": str(hit.hit),
        "key": hit.key,
        "log_index": hit.index,
        "text": hit.text,
        "holds": hit.holds,
        "ask": list(hit.ask),
    }
