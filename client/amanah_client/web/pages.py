"""Pages from templates: everything is escaped, every sentence goes through gettext, and nothing undefined is shown."""

from __future__ import annotations

import gettext
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from amanah_client.cli.terminal import shown
from amanah_client.web.files import Files

HERE: Final = Path(__file__).resolve().parent
DOMAIN: Final = "amanah"
_LOCALES: Final = HERE / "locales"
_RIGHT_TO_LEFT: Final = frozenset({"ar", "fa", "he", "ur"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """What a face speaks.

    Attributes:
        code: As `lang` has it.
        catalogue: Its translations; where one is missing, English stands.
    """

    code: str
    catalogue: gettext.NullTranslations

    @property
    def direction(self) -> str:
        """As `dir` has it."""
        return "rtl" if self.code.partition("-")[0] in _RIGHT_TO_LEFT else "ltr"


def language(code: str = "en") -> Language:
    """A language, as far as it is translated."""
    found = gettext.translation(DOMAIN, _LOCALES, languages=[code.replace("-", "_")], fallback=True)
    return Language(code=code, catalogue=found)


class Pages:
    """The templates of a face, over those of the frame."""

    def __init__(
        self,
        templates: Path,
        files: Files,
        spoken: Language,
        filters: Mapping[str, Callable[..., object]] | None = None,
    ) -> None:
        """Load.

        Args:
            templates: The face's own folder.
            files: What stands beside the pages.
            spoken: The language.
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
        # What the extension adds stands in no type.
        self._environment.install_gettext_translations(spoken.catalogue, newstyle=True)  # type: ignore[attr-defined]  # see above
        self._environment.globals |= {"static": files.url, "lang": spoken.code, "dir": spoken.direction}
        self._environment.filters |= {"shown": shown, "grouped": grouped, **(filters or {})}

    def render(self, name: str, status: int = 200, /, **context: object) -> HTMLResponse:
        """A page."""
        return HTMLResponse(self._environment.get_template(name).render(context), status)


def grouped(number: int) -> str:
    """`10,482`."""
    return f"{number:,}"
