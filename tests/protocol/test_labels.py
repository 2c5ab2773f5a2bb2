from __future__ import annotations

import pytest

from amanah_protocol.errors import Code, UsageError
from amanah_protocol.labels import Label, Pap, Precedence
from tests.protocol.refusal import refused


def test_labels_are_written_as_first_writes_them() -> None:
    assert [label.text for label in Label] == ["TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"]
    assert [pap.text for pap in Pap] == ["PAP:CLEAR", "PAP:GREEN", "PAP:AMBER", "PAP:RED"]


@pytest.mark.parametrize("label", Label)
def test_a_label_is_read_back_in_any_case_with_or_without_its_prefix(label: Label) -> None:
    for text in (label.text, label.text.lower(), f" {label.text.removeprefix('TLP:')} "):
        assert Label.parse(text) is label


def test_the_old_name_of_clear_is_understood() -> None:
    assert Label.parse("TLP:WHITE") is Label.CLEAR


@pytest.mark.parametrize(
    "text", ["", "TLP:", "TLP:AMBER+", "TLP:BLUE", "TLP:TLP:RED", "R\N{CYRILLIC CAPITAL LETTER IE}D"]
)
def test_anything_else_is_no_label(text: str) -> None:
    with refused(Code.LABEL, UsageError):
        Label.parse(text)


def test_a_label_that_is_not_known_counts_as_the_strictest() -> None:
    assert [Label.strictest(number) for number in range(5)] == list(Label)
    assert type(Label.strictest(4)) is Label
    assert Label.strictest(5) is Label.strictest(-1) is Label.RED


def test_the_wire_numbers_ascend_with_strictness_and_urgency() -> None:
    assert [int(label) for label in Label] == [0, 1, 2, 3, 4]
    assert [int(pap) for pap in Pap] == [0, 1, 2, 3]
    assert [precedence.name for precedence in Precedence] == ["ROUTINE", "PRIORITY", "IMMEDIATE", "FLASH"]
    assert [int(precedence) for precedence in Precedence] == [0, 1, 2, 3]
