"""Every link of a page leads to something that is there, and every page of docs/ is linked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md")), *ROOT.glob("data/**/*.md")]
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def links(page: Path) -> set[Path]:
    """What a page links to within the repository."""
    found = _LINK.findall(page.read_text(encoding="utf-8"))
    return {(page.parent / one).resolve() for one in found if "://" not in one}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_links_to_what_is_there(page: Path) -> None:
    assert not sorted(str(link) for link in links(page) if not link.exists())


def test_the_readme_leads_to_every_page_of_docs() -> None:
    linked = links(ROOT / "README.md")
    pages = {page for page in PAGES if page.is_relative_to(ROOT / "docs")}
    assert not sorted(str(page) for page in pages - linked)
