"""Languages of the faces: English in the source, others in catalogues beside it (`docs/languages.md`).

    from amanah_client.language import gettext as _

    _("%(name)s is not in the room", name=isolate(name))

What is evidence or for programs (JSON, exports, findings as they are stored, error codes) stays English, and labels
(TLP, PAP) are never translated.
"""

from amanah_client.language.choice import asked_for, of_environment, of_program, setting
from amanah_client.language.forms import ago, day, duration, list_of, number, time_of_day
from amanah_client.language.sentences import N_, gettext, guarded, isolate, ngettext, pgettext, said, said_of
from amanah_client.language.spoken import ENGLISH, LANGUAGES, Language, language, speak, speaking, spoken

__all__ = [
    "ENGLISH",
    "LANGUAGES",
    "N_",
    "Language",
    "ago",
    "asked_for",
    "day",
    "duration",
    "gettext",
    "guarded",
    "isolate",
    "language",
    "list_of",
    "ngettext",
    "number",
    "of_environment",
    "of_program",
    "pgettext",
    "said",
    "said_of",
    "setting",
    "speak",
    "speaking",
    "spoken",
    "time_of_day",
]
