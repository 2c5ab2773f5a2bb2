"""Bring the catalogues of `amanah_client.language` up to the source: `make catalogues`.

Sentences are taken from the client's modules and templates, sorted, without places and dates: the same source gives
the same files, and a change of one sentence is a change of its own lines alone. What is no longer said goes, what is
new stays empty, and what is missing is named and ends with exit code 1.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from amanah_client.language.catalogue import FOLDER

CLIENT: Final = FOLDER.parents[1]
KEYWORDS: Final = {
    "_": None,
    "N_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "Column": (1,),  # headings of answers are translated where they are shown
}
METHODS: Final = [
    ("audit/export_*.py", "ignore"),  # the report of a bundle is evidence: it stays English, whoever exports it
    ("audit/templates/**.html", "ignore"),
    ("**/templates/**.html", "jinja2"),
    ("**.py", "python"),
]
OPTIONS: Final = {"**/templates/**.html": {"newstyle_gettext": "true", "silent": "false"}}
WIDTH: Final = 120


def extracted() -> Catalog:
    """What the source says, as a catalogue without translations.

    A sentence whose context is "" or None is the same: Babel's readers differ there.
    """
    found = Catalog(charset="utf-8")
    for _, _, message, comments, context in extract_from_dir(CLIENT, METHODS, OPTIONS, KEYWORDS, ("Translators:",)):
        found.add(message, auto_comments=comments, context=context or None)
    return found


def paths() -> list[Path]:
    """The catalogues that there are."""
    return sorted(FOLDER.glob("*.po"))


def read(path: Path) -> Catalog:
    """A catalogue as it stands."""
    with path.open("rb") as file:
        return read_po(file, locale=path.stem)


def updated(path: Path, source: Catalog) -> str:
    """What a catalogue's file holds when it is up to the source; its head, with the glossary, stays."""
    head, _, _ = path.read_text(encoding="utf-8").partition("\n\n")
    found = read(path)
    # A guess of what a new sentence could mean is worse than a gap that is named.
    found.update(source, no_fuzzy_matching=True, update_header_comment=False)
    found.obsolete.clear()
    written = io.BytesIO()
    write_po(written, found, width=WIDTH, no_location=True, omit_header=True, sort_output=True, ignore_obsolete=True)
    return f"{head}\n\n{written.getvalue().decode()}"


def missing(found: Catalog) -> Iterator[Message]:
    """What has no translation, or not all of its forms."""
    for message in found:
        forms = message.string if isinstance(message.string, tuple | list) else (message.string,)
        if message.id and (message.fuzzy or not all(forms)):
            yield message


def main() -> int:
    """Update them all."""
    source, count = extracted(), 0
    for path in paths():
        path.write_text(updated(path, source), encoding="utf-8")
        for message in missing(read(path)):
            count += 1
            print(f"{path.name}: not translated: {message.id!r}", file=sys.stderr)
    print(f"{len(source)} sentences in {len(paths())} catalogues, {count} missing")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
