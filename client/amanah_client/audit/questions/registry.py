"""The questions that a record answers, and how one is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from amanah_client.audit.garbage import without_collections
from amanah_client.audit.questions import words
from amanah_client.audit.questions.acknowledged import ACKNOWLEDGEMENTS
from amanah_client.audit.questions.audits import AUDITS
from amanah_client.audit.questions.automation import AUTOMATION
from amanah_client.audit.questions.case import Case
from amanah_client.audit.questions.completeness import COMPLETENESS
from amanah_client.audit.questions.decisions import DECISIONS
from amanah_client.audit.questions.exposure import EXPOSURE
from amanah_client.audit.questions.labels import LABELS
from amanah_client.audit.questions.learned import FIRST_LEARNED
from amanah_client.audit.questions.leaving import LEFT_CIRCLE
from amanah_client.audit.questions.membership import MEMBERSHIP
from amanah_client.audit.questions.not_given import NOT_GIVEN
from amanah_client.audit.questions.parameters import read_parameters
from amanah_client.audit.questions.question import Found, Question
from amanah_client.audit.questions.readers import WHO_COULD_READ
from amanah_client.audit.questions.times import TIMES
from amanah_protocol.errors import Code, UsageError

QUESTIONS: Final[dict[str, Question[Any, Any]]] = {
    question.name: question
    for question in (
        FIRST_LEARNED, WHO_COULD_READ, MEMBERSHIP, LABELS, LEFT_CIRCLE, COMPLETENESS, AUTOMATION, ACKNOWLEDGEMENTS,
        DECISIONS, EXPOSURE, NOT_GIVEN, AUDITS, TIMES,
    )
}  # fmt: skip
"""By name, in the order in which they are listed."""
_ONE_OF: Final = {NOT_GIVEN.name: (("message", "room", "label"), ("nation", "device"))}
"""Parameters that have a default because another one may stand in their place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a record says to a question.

    Attributes:
        question: What was asked.
        given: What it was asked with, as it was typed.
        trouble: What is said first because the record does not hold; "" when it holds.
        range: For which entries it speaks.
        found: The answer.
    """

    question: Question[Any, Any]
    given: Mapping[str, str]
    trouble: str
    range: str
    found: Found[Any]


def question_of(name: str) -> Question[Any, Any]:
    """A question by its name.

    Raises:
        UsageError: `USAGE`.
    """
    found = QUESTIONS.get(name.strip().lower())
    if found is None:
        raise UsageError(Code.USAGE, f"{name!r} is not a question", hint=f"Known are {', '.join(QUESTIONS)}.")
    return found


def needs(question: Question[Any, Any]) -> tuple[tuple[str, ...], ...]:
    """Groups of parameters; a question needs exactly one of each group."""
    return (*((name,) for name in question.required), *_ONE_OF.get(question.name, ()))


def ask(question: Question[Any, Any], case: Case, given: Mapping[str, str]) -> Answer:
    """Ask an examined record.

    Raises:
        UsageError: As `read_parameters`, and what the question itself refuses.
    """
    asked = read_parameters(question, case, given)
    with without_collections():
        found = question.run(case, asked)
    return Answer(
        question=question,
        given=dict(given),
        trouble=words.trouble(case.report),
        range=words.range_of(case.report),
        found=found,
    )
