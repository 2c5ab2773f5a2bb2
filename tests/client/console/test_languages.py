"""The pages in other languages: what is ours is translated, what is evidence is not and is marked as that."""

from __future__ import annotations

import re

import pytest

from tests.client.console.site import Site
from tests.client.console.test_pages import EVERY
from tests.client.console.told import HOSTILE, TOLD
from tests.client.web.asked import OWN, Reply, ask

ARABIC = re.compile("[\u0621-\u064a]")


async def asked(site: Site, path: str, tag: str) -> Reply:
    where, _, query = path.partition("?")
    cookie = f"{site.cookie}; amanah-language={tag}"
    return await ask(site.app, where, headers={"Cookie": cookie}, query=query)


@pytest.mark.parametrize("path", EVERY)
async def test_a_page_says_where_to_come_back_to_and_which_language_it_has(honest: Site, path: str) -> None:
    page = (await asked(honest, path, "ar")).text
    assert '<html lang="ar" dir="rtl">' in page
    assert f'name="next" value="{path.replace("&", "&amp;")}"' in page
    assert 'value="ar" lang="ar" dir="auto" aria-current="true" disabled>العربية<' in page


@pytest.mark.parametrize("path", [f"/question/who-could-read?ask=1&message={TOLD.message}", f"/entry/{TOLD.message}"])
async def test_one_readers_language_leaves_nothing_in_anothers_page(honest: Site, path: str) -> None:
    """An answer is kept when it was first asked for: in Arabic here."""
    arabic = (await asked(honest, path, "ar")).text
    assert ARABIC.search(arabic)
    english = (await asked(honest, path, "en")).text
    assert not ARABIC.search(english.replace("العربية", ""))
    assert (await asked(honest, path, "ar")).text == arabic


async def test_what_an_answer_says_in_english_is_marked_as_that(honest: Site) -> None:
    page = (await asked(honest, f"/question/who-could-read?ask=1&message={TOLD.message}", "fr")).text
    assert '<bdi lang="en" dir="auto">Message ' in page
    assert "Qui pouvait lire ce message" in page
    assert "Un appareil qui pouvait la lire ne l’a pas forcément fait" in page


async def test_a_finding_is_told_in_the_language_with_the_evidence_beside_it(broken: Site) -> None:
    page = (await asked(broken, "/findings", "ar")).text
    assert "الإثبات لا يقود إلى نقطة التحقق." in page
    assert '<bdi lang="en" dir="ltr">the entry is not the one whose hash stands in the log</bdi>' in page


async def test_what_is_refused_is_told_in_the_language(honest: Site) -> None:
    page = (await asked(honest, "/entries?kind=nonsense", "fr")).text
    assert "Cela ne peut pas être fait ainsi. Voyez `--help`." in page
    assert '<bdi lang="en" dir="ltr">' in page


@pytest.mark.parametrize("tag", ["fr", "ar"])
async def test_labels_and_commands_are_the_same_in_every_language(honest: Site, tag: str) -> None:
    told = [(await asked(honest, f"/entry/{TOLD.message}", one)).text for one in (tag, "en")]
    for kept in (r'<span class="tlp[^<]*</span>', r'<code class="command">[^<]*</code>', r"<time[^<]*</time>"):
        first, second = (re.findall(kept, text) for text in told)
        assert first == second != []


async def test_what_others_wrote_is_as_harmless_as_in_english(honest: Site) -> None:
    page = (await asked(honest, f"/room/{TOLD.hostile.hex()}", "ar")).text
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert "&lt;202E&gt;" in page


async def test_names_in_a_sentence_that_runs_left_stand_for_themselves(honest: Site) -> None:
    page = (await asked(honest, "/entries", "ar")).text
    assert re.search(r"أضاف [^<]*<bdi>[0-9a-f]{8}</bdi>", page) or "أضاف ضابط <bdi>" in page
    assert "<2068>" not in page
    assert "&lt;2068&gt;" not in page


async def test_the_door_speaks_the_language_of_who_stands_before_it(honest: Site) -> None:
    page = (await ask(honest.app, headers={"Accept-Language": "ar-EG"})).text
    assert '<html lang="ar-EG" dir="rtl">' in page
    assert "مقفل" in page
    chosen = await ask(honest.app, "/language", method="POST", headers=OWN, body=b"language=fr&next=%2F")
    assert chosen.cookie == "amanah-language=fr"
    assert "Verrouillé" in (await ask(honest.app, headers={"Cookie": chosen.cookie})).text
