"""Pages and the files beside them: escaped, translated, under names that hold their content's hash."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import UndefinedError
from starlette.applications import Starlette

from amanah_client.language import language, speaking
from amanah_client.web.files import Files
from amanah_client.web.pages import HERE, Pages
from tests.client.web.asked import ask


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "said.html").write_text(
        '{% extends "frame.html" %}{% block title %}{% trans %}Locked{% endtrans %}{% endblock %}'
        "{% block body %}<body>{{ text|shown }} {{ 10482|grouped }}</body>{% endblock %}"
    )
    return tmp_path


def test_whatever_is_shown_is_escaped(folder: Path) -> None:
    page = Pages(folder, Files(HERE / "static")).render("said.html", text="<b>\"'&</b>\u202etxt")
    text = bytes(page.body).decode()
    assert "&lt;b&gt;&#34;&#39;&amp;&lt;/b&gt;&lt;202E&gt;txt 10,482" in text
    assert '<html lang="en" dir="ltr">' in text


def test_what_is_not_there_is_no_page(folder: Path) -> None:
    with pytest.raises(UndefinedError):
        Pages(folder, Files(HERE / "static")).render("said.html")


@pytest.mark.parametrize(
    ("tag", "direction", "title"),
    [("en", "ltr", "Locked"), ("fr", "ltr", "Verrouillé"), ("ar-TN", "rtl", "مقفل"), ("ar-EG", "rtl", "مقفل")],
)
def test_a_page_speaks_its_language_in_its_direction(folder: Path, tag: str, direction: str, title: str) -> None:
    wanted = language(tag)
    assert wanted is not None
    with speaking(wanted):
        text = bytes(Pages(folder, Files(HERE / "static")).render("said.html", text="").body).decode()
    assert f'<html lang="{tag}" dir="{direction}">' in text
    assert f"<title>{title}</title>" in text


@pytest.mark.parametrize(
    ("template", "shows"),
    [
        ("{% trans name=name %}In {{ name }}{% endtrans %}", "In &lt;b&gt;"),
        ("{{ _('In %(name)s', name=name) }}", "In &lt;b&gt;"),
        ("{{ pgettext('place', 'In %(name)s', name=name) }}", "In &lt;b&gt;"),
        ("{% trans count=10482, name=name %}{{ count }}{% pluralize %}{{ count }} {{ name }}{% endtrans %}",
         "10,482 &lt;b&gt;"),
        ("{{ '\u2068<b>\u2069: \u202e'|ours }}", "<bdi>&lt;b&gt;</bdi>: &lt;202E&gt;"),
        ("{{ '\u2068a'|ours }}", "&lt;2068&gt;a"),
    ],
)  # fmt: skip
def test_what_is_filled_into_a_sentence_is_escaped(tmp_path: Path, template: str, shows: str) -> None:
    (tmp_path / "said.html").write_text(template)
    page = Pages(tmp_path, Files(HERE / "static")).render("said.html", name="<b>")
    assert bytes(page.body).decode() == shows


async def test_a_file_is_served_under_the_hash_of_its_content(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("a{}")
    files = Files(tmp_path)
    app = Starlette(routes=[files.route])
    url = files.url("a.css")
    reply = await ask(app, url)
    assert (reply.status, reply.text) == (200, "a{}")
    assert reply.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in reply.headers["cache-control"]
    (tmp_path / "a.css").write_text("b{}")
    assert Files(tmp_path).url("a.css") != url
    assert (await ask(Starlette(routes=[Files(tmp_path).route]), url)).status == 404


@pytest.mark.parametrize("name", ["secret.txt", "..%2fsecret.txt", "../secret.txt", "../../secret.txt"])
async def test_no_request_names_a_file_of_this_machine(tmp_path: Path, name: str) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "a.css").write_text("a{}")
    (tmp_path / "static" / "secret.txt").write_text("secret")
    (tmp_path / "secret.txt").write_text("secret")
    files = Files(tmp_path / "static")
    place = files.url("a.css").removesuffix("a.css")
    assert (await ask(Starlette(routes=[files.route]), place + name)).status == 404


async def test_a_faces_own_file_stands_in_for_the_frames(tmp_path: Path) -> None:
    (tmp_path / "frame.css").write_text("a{}")
    files = Files(HERE / "static", tmp_path)
    assert (await ask(Starlette(routes=[files.route]), files.url("frame.css"))).text == "a{}"


async def test_what_files_name_each_other_by_is_of_one_version(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text('import "./b.js";')
    (tmp_path / "b.js").write_text("1;")
    before = Files(tmp_path)
    (tmp_path / "b.js").write_text("2;")
    after = Files(tmp_path)
    assert before.urls(".js") == [before.url("a.js"), before.url("b.js")]
    assert not {*before.urls(".js")} & {*after.urls(".js")}
    beside = before.url("a.js").replace("a.js", "b.js")
    assert (await ask(Starlette(routes=[before.route]), beside)).text == "1;"
    assert (await ask(Starlette(routes=[after.route]), beside)).status == 404
