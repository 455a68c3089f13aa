"""Links name what they lead to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(page for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "project")
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")


def links(text: str) -> list[tuple[str, str]]:
    return LINK.findall(re.sub(r"^```.*?^```", "", text, flags=re.S | re.M))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_shows_a_name_and_not_a_file(page: Path) -> None:
    shown = [" ".join(text.split()) for text, target in links(page.read_text()) if not target.startswith("http")]
    assert [text for text in shown if re.fullmatch(r"[\w./-]+\.(md|py|rst)", text)] == []


def test_links_to_pages_are_found() -> None:
    assert links("See [method.md](a/method.md#b).\n```\n[x](y)\n```\n") == [("method.md", "a/method.md#b")]
    assert sum(len(links(page.read_text())) for page in PAGES) > 200
