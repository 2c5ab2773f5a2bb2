"""Pages from templates: everything is escaped, every sentence goes through gettext, and nothing undefined is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from amanah_client.language import LANGUAGES, number, pgettext, said, said_of, spoken
from amanah_client.visible import pieces, shown
from amanah_client.web.files import Files

HERE: Final = Path(__file__).resolve().parent


class Pages:
    """The templates of a face, over those of the frame."""

    def __init__(
        self,
        templates: Path,
        files: Files,
        filters: Mapping[str, Callable[..., object]] | None = None,
    ) -> None:
        """Load.

        Args:
            templates: The face's own folder.
            files: What stands beside the pages.
            filters: The face's own filters.
        """
        self._environment = Environment(
            loader=FileSystemLoader([templates, HERE / "templates"]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        self._environment.globals |= {
            "static": files.url,
            "languages": LANGUAGES,
            "gettext": _gettext,
            "ngettext": _ngettext,
            "pgettext": _pgettext,
        }
        self._environment.newstyle_gettext = True  # type: ignore[attr-defined]  # what the extension adds stands in no type
        self._environment.filters |= {"shown": shown, "ours": ours, "told": told, "grouped": number, **(filters or {})}

    def render(self, name: str, status: int = 200, /, **context: object) -> HTMLResponse:
        """A page, in the language that is spoken."""
        wanted = spoken()
        known = {"lang": wanted.tag, "language": wanted.code, "dir": wanted.direction, **marks(), **context}
        return HTMLResponse(self._environment.get_template(name).render(known), status)


def marks() -> dict[str, str]:
    """What stands between two things that are told."""
    return {"comma": pgettext("between", ", "), "semicolon": pgettext("between", "; ")}


def ours(sentence: str) -> Markup:
    """A sentence of ours in which others are named: it runs as the page does, and each name in it as itself."""
    parts = (Markup("<bdi>{}</bdi>" if is_name else "{}").format(text) for text, is_name in pieces(sentence))  # noqa: S704 - both are constants of ours
    return Markup("").join(parts)


def told(sentence: str) -> Markup:
    """What evidence says: translated where it is one of the sentences of a catalogue, else in its own English.

    Answers and findings are made, kept and exported in English; a page marks what is left of it as that.
    """
    found = said(sentence)
    if found != sentence or spoken().code == "en":
        return ours(found)
    return Markup('<bdi lang="en" dir="auto">{}</bdi>').format(shown(sentence))


def _gettext(message: str, /, **named: object) -> Markup:
    return _filled(said(message), named)


def _pgettext(context: str, message: str, /, **named: object) -> Markup:
    return _filled(said(message, context), named)


def _ngettext(one: str, several: str, count: int, /, **named: object) -> Markup:
    return _filled(said_of(one, several, count), {"count": count, **named})


def _filled(message: str, named: Mapping[str, object]) -> Markup:
    """What a catalogue says is markup of ours; what is filled in is escaped, and a count is told in its numerals."""
    counted = {
        name: number(value) if name == "count" and type(value) is int else value for name, value in named.items()
    }
    return Markup(message) % counted  # noqa: S704 - a catalogue is source, as a template is
