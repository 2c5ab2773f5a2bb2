"""A file that is handed over: its bounds, and what of a stranger's name a receiver may use."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from amanah_protocol import limits
from amanah_protocol.content.file import FALLBACK, MAX_SAFE_BYTES, File, safe_name
from amanah_protocol.errors import Code, UsageError
from tests.protocol.refusal import refused

HASH = bytes(range(32))


def file(**changes: object) -> File:
    """A file in which everything is right, and then what a test changes."""
    fields: dict[str, object] = {"name": "a", "size": 1, "digest": HASH, "key": HASH, "attachment": HASH, **changes}
    return File(**fields)  # type: ignore[arg-type]  # what a test gives is what it tests


BOUNDS: list[tuple[Callable[[int], File], Code]] = [
    (lambda more: file(name="a" * (255 + more)), Code.TOO_LARGE),
    (lambda more: file(name="a" * (1 - more)), Code.TOO_LARGE),
    (lambda more: file(text="a" * (65_536 + more)), Code.TOO_LARGE),
    (lambda more: file(size=limits.MAX_ATTACHMENT_BYTES + more), Code.TOO_LARGE),
    (lambda more: file(size=0 - more), Code.TOO_LARGE),
    (lambda more: file(digest=bytes(32 + more)), Code.BAD_TYPE),
    (lambda more: file(key=bytes(32 - more)), Code.BAD_TYPE),
    (lambda more: file(attachment=bytes(32 - more)), Code.BAD_TYPE),
    (lambda more: file(type="a" * 63 + "/" + "a" * (63 + more)), Code.BAD_TYPE),
]


@pytest.mark.parametrize(("make", "code"), BOUNDS)
def test_a_file_at_its_bound_is_made_and_beyond_is_not(make: Callable[[int], File], code: Code) -> None:
    make(0)
    with refused(code, UsageError):
        make(1)


@pytest.mark.parametrize("type_", ["text", "text/", "/plain", "Text/plain", "text/plain; charset=utf-8", "a b/c", ""])
def test_what_is_no_media_type_is_refused(type_: str) -> None:
    with refused(Code.BAD_TYPE, UsageError):
        file(type=type_)


NAMES = {
    "report.pdf": "report.pdf",
    "تقرير.pdf": "تقرير.pdf",
    "../../etc/passwd": "passwd",
    "/etc/shadow": "shadow",
    "C:\\Windows\\system32\\cmd.exe": "cmd.exe",
    "folder/": "folder",
    "..": FALLBACK,
    ".": FALLBACK,
    "/": FALLBACK,
    "...": FALLBACK,
    "": FALLBACK,
    "\0\r\n\x1b": FALLBACK,
    ".bashrc": "bashrc",
    "-rf": "rf",
    ".-rf": "rf",
    "- -rf": "rf",
    "a\nb": "ab",
    "invoice\u202efdp.exe": "invoicefdp.exe",
    "a\u2066b\u200bc\u2029d": "abcd",
    "name. . ": "name",
    'a<b>c:d"e|f?g*h': "a_b_c_d_e_f_g_h",
    "CON": "_CON",
    "nul.txt": "_nul.txt",
    "com1 .log": "_com1 .log",
    "COM¹": "_COM¹",
    "console": "console",
    "e\u0301": "\u00e9",
    " a ": "a",
}


@pytest.mark.parametrize(("name", "safe"), NAMES.items())
def test_of_a_name_what_can_be_used_is_kept(name: str, safe: str) -> None:
    assert safe_name(name) == safe
    assert not name or file(name=name).safe_name == safe


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=255))
@example("é" * 255)
@example("a" * 199 + ".é" + "b" * 40)
@example("a" * 250 + ".pcap")
@example("." + "a" * 254)
@example("a" * 150 + "." + "b" * 100)
@example("a" * 199 + ". .")
def test_a_safe_name_is_one_whatever_it_was_made_of(name: str) -> None:
    safe = safe_name(name)
    assert safe
    assert len(safe.encode()) <= MAX_SAFE_BYTES
    assert safe[0] not in ".- "
    assert safe[-1] not in ". "
    assert not set(safe) & set('/\\<>:"|?*\0')
    assert all(unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in safe)
    assert safe_name(safe) == safe


def test_a_long_name_keeps_its_ending() -> None:
    assert safe_name("a" * 250 + ".pcap").endswith("a.pcap")
    assert len(safe_name("é" * 250 + ".pcap").encode()) <= MAX_SAFE_BYTES
