"""What the form of an `egress` says."""

from __future__ import annotations

import pytest

from amanah_protocol.egress import DISCLOSURE, FORWARD, TakenOut, read_form
from amanah_protocol.labels import Label


def test_a_file_made_of_a_room_is_read_as_it_was_said() -> None:
    taken = TakenOut(what="report", label=Label.AMBER_STRICT, form="markdown")
    assert taken.text == "report, TLP:AMBER+STRICT, markdown"
    assert read_form(taken.text) == taken
    assert read_form("notice, TLP:CLEAR, pdf") == TakenOut(what="notice", label=Label.CLEAR, form="pdf")


@pytest.mark.parametrize(
    "form",
    [DISCLOSURE, FORWARD, "", "report", "report, TLP:AMBER", "report, amber, pdf", "paper, TLP:AMBER, pdf",
     "report, TLP:AMBER, pdf, ", "report,TLP:AMBER,pdf", "report, TLP:AMBER, ", "report, TLP:AMBER, pdf\n",
     "report, TLP:CLEAR, pdf). Withdrawn by the relay (", "report, TLP:AMBER, \u202efdp"],
)  # fmt: skip
def test_every_other_form_speaks_of_one_message(form: str) -> None:
    assert read_form(form) is None
