"""Indicators in a text: found, and defanged so that nothing can open or resolve them by accident.

What was written defanged is left as it is. A word with dots counts as a domain where its ending is one of the common
ones: file names must not be bent. Behind a bare @ stands who is called, and that is no indicator.
"""

from __future__ import annotations

import re
from typing import Final

_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})"
_DOT: Final = r"(?:\.|\[\.\]|\(\.\)|\[dot\])"
_ENDINGS: Final = (
    "example|invalid|online|cloud|local|onion|club|info|live|shop|site|test|app|biz|com|dev|edu|gov|int|mil|"
    "net|org|pro|top|xyz|ae|ar|at|au|be|bf|bg|bh|bj|br|by|ca|ch|ci|cl|cm|cn|co|cy|cz|de|dj|dk|dz|ee|eg|es|et|"
    "eu|fi|fr|gh|gr|hk|hr|hu|id|ie|il|in|io|iq|ir|is|it|jo|jp|ke|kr|kw|kz|lb|lt|lu|lv|ly|ma|me|mr|mu|mx|my|ng|"
    "nl|no|nz|om|pe|ph|pk|pt|qa|ro|rs|ru|rw|sa|sd|se|sg|si|sk|sn|so|su|sy|td|tg|th|tn|to|tr|tv|tw|tz|ua|ug|uk|"
    "us|uz|vn|ye|za|zm|zw"
)
_DOMAIN: Final = rf"(?:{_LABEL}{_DOT}){{1,10}}(?:{_ENDINGS})(?![\w-])"
_BENT: Final = rf"(?:{_LABEL}(?:\.|\[\.\]|\(\.\)|\[dot\])){{0,10}}{_LABEL}(?:\[\.\]|\(\.\)|\[dot\]){_LABEL}"
_IPV4: Final = rf"(?<![\d.])\d{{1,3}}(?:{_DOT}\d{{1,3}}){{3}}(?:/\d{{1,2}})?(?![\d.]*\d)"
_HEX: Final = "[0-9A-Fa-f]{1,4}"
# A time of day has colons too: all eight groups, or a gap.
_IPV6: Final = (
    rf"(?<![\w:])(?:(?:{_HEX}:){{7}}{_HEX}|(?:{_HEX}:){{1,6}}:(?:{_HEX}:){{0,5}}{_HEX})(?:/\d{{1,3}})?(?![\w:])"
)
_HASH: Final = r"(?<!\w)(?:[0-9A-Fa-f]{64}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{32})(?!\w)"
_URL: Final = r"(?<!\w)(?:h(?:tt|xx)ps?|f(?:t|x)ps?|wss?)(?:://|\[://\]|\[:\]//)[^\s<>\"'`]{1,2048}"
_MAIL: Final = rf"(?<!\w)[\w.+-]{{1,64}}(?:@|\[@\]|\[at\])(?:{_BENT}|{_DOMAIN})"
_FOUND: Final = re.compile(rf"{_URL}|{_MAIL}|{_HASH}|{_IPV4}|{_IPV6}|(?<![\w.@-])(?:{_BENT}|{_DOMAIN})", re.IGNORECASE)
_LIVE: Final = re.compile(rf"{_URL}|{_MAIL}|{_IPV4}|(?<![\w.@-])(?:{_DOMAIN})", re.IGNORECASE)
_TRAILING: Final = ".,;:!?)]}*\u00bb\u201d\u060c\u061b\u061f"
_SCHEME: Final = re.compile(r"^(h)tt(ps?)|^(f)t(ps?)", re.IGNORECASE)
_HOST: Final = re.compile(r"^([a-z]+(?:://|\[://\]|\[:\]//))?((?:[^/?#\s@]*@)?)([^/?#:\s]+)", re.IGNORECASE)


def find_indicators(text: str) -> list[tuple[int, int]]:
    """Where they stand, in order."""
    return [span for match in _FOUND.finditer(text) if (span := _trimmed(text, *match.span()))[0] < span[1]]


def defanged(text: str) -> str:
    """One indicator as it is shown: it neither opens nor resolves, and says the same."""
    bent = _SCHEME.sub(lambda m: f"{m[1] or m[3]}xx{m[2]}" if m[1] else f"{m[3]}x{m[4]}", text)
    found = _HOST.match(bent)
    if found is None:
        return bent
    scheme, user, host = found[1] or "", found[2], found[3]
    if "." not in host or any(bent_dot in host for bent_dot in ("[", "(")):
        return bent
    head, _, tail = host.rpartition(".")
    return f"{scheme}{user}{head}[.]{tail}{bent[found.end() :]}"


def defang(text: str) -> str:
    """A whole text with its addresses defanged, for what is pasted."""
    parts, at = [], 0
    for begin, end in _live(text):
        parts += [text[at:begin], defanged(text[begin:end])]
        at = end
    return "".join((*parts, text[at:]))


def has_live(text: str) -> bool:
    """Whether defanging would change it."""
    return any(defanged(text[begin:end]) != text[begin:end] for begin, end in _live(text))


def _live(text: str) -> list[tuple[int, int]]:
    return [_trimmed(text, *match.span()) for match in _LIVE.finditer(text)]


def _trimmed(text: str, begin: int, end: int) -> tuple[int, int]:
    """Without what ends the sentence around it."""
    while end > begin and text[end - 1] in _TRAILING and not text.endswith("[.]", begin, end):
        end -= 1
    return begin, end
