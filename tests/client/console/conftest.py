"""Consoles over an honest copy and over a broken one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from amanah_client.log_rows import AuditRow
from tests.client.console.site import Site
from tests.client.console.told import TOLD, Told, auditor, tampered

MakeSite = Callable[..., Site]


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[MakeSite]:
    """Makes a console over a copy; verified unless that is left out."""
    made: list[Site] = []

    def make(told: Told = TOLD, rows: list[AuditRow] | None = None, *, verified: bool = True) -> Site:
        folder = tmp_path / f"site {len(made)}"
        folder.mkdir()
        site = Site(auditor(folder / "home", told, rows), folder)
        made.append(site)
        if verified:
            site.console.verify()
            site.console.wait()
        return site

    yield make
    for site in made:
        site.console.wait()
        site.console.profile.close()


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from _kept(tmp_path_factory.mktemp("honest"), None)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from _kept(tmp_path_factory.mktemp("broken"), tampered(TOLD.rows(), TOLD.message))


def _kept(folder: Path, rows: list[AuditRow] | None) -> Iterator[Site]:
    site = Site(auditor(folder / "home", TOLD, rows), folder)
    site.console.verify()
    site.console.wait()
    yield site
    site.console.profile.close()
