from __future__ import annotations

import pytest

from amanah_protocol import cbor
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.names import check_organisation, decode_organisation, is_organisation
from tests.protocol.refusal import refused

RIGHT = ["cert.tn", "cert.example.tn", "c-1.x--y.tn", "1.2", ".".join(["a" * 63] * 3 + ["a" * 61])]
WRONG = [
    "",
    "tn",
    "Cert.example.tn",
    "cert.example.tn.",
    ".cert.example.tn",
    "cert..tn",
    "-cert.tn",
    "cert-.tn",
    "cert_1.tn",
    "cert example.tn",
    "cert.example.tn\n",
    "c\N{CYRILLIC SMALL LETTER IE}rt.example.tn",
    "cert.example.tn\0",
    "\N{ARABIC-INDIC DIGIT ONE}.tn",
    "a" * 64 + ".tn",
    ".".join(["a" * 63] * 3 + ["a" * 62]),
]


@pytest.mark.parametrize("name", RIGHT)
def test_a_dns_name_in_lower_case_names_an_organisation(name: str) -> None:
    assert is_organisation(name)
    assert check_organisation(name) == name
    assert decode_organisation(cbor.Fields([name], 1, "it")) == name


@pytest.mark.parametrize("name", WRONG)
def test_any_other_spelling_is_refused(name: str) -> None:
    assert not is_organisation(name)
    with refused(Code.BAD_TYPE, DecodeError):
        check_organisation(name)
    with refused(Code.BAD_TYPE, DecodeError):
        decode_organisation(cbor.Fields([name], 1, "it"))
