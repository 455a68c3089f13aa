from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(page for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "project")])
"""`docs/project` holds copies that the site is built from."""
MOST_WORDS = 35
MOST_IN_README = 900


def paragraphs(text: str) -> Iterator[str]:
    """Yield the prose of a page: no code, formulas, tables, headings, comments or link targets."""
    text = re.sub(r"^(```|~~~).*?^\1\s*$|<!--.*?-->|\$\$.*?\$\$", "\n\n", text, flags=re.S | re.M)
    text = re.sub(r"^\s*(\||#|:::|<|\[[^\]]*\]:).*$", "\n", text, flags=re.M)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    # Each item of a list is a paragraph of its own.
    yield from re.split(r"\n\s*\n|\n\s*(?:[-*+]|\d+\.)\s", text)


def sentences(text: str) -> Iterator[str]:
    for paragraph in paragraphs(text):
        yield from re.split(r"(?<=[.!?:;])\s+(?=[A-Z`*(\[])", " ".join(paragraph.split()))


def words(sentence: str) -> int:
    # A formula or a command in quotes is read as one word.
    return len(re.sub(r"`[^`]*`|\$[^$]*\$", "x", sentence).split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_sentence_is_longer_than_35_words(page: Path) -> None:
    assert [each for each in sentences(page.read_text()) if words(each) > MOST_WORDS] == []


def test_the_readme_is_short() -> None:
    assert sum(map(words, paragraphs((ROOT / "README.md").read_text()))) <= MOST_IN_README


def test_a_long_sentence_is_found_and_code_is_not_counted() -> None:
    long = " ".join(["word"] * 36)
    assert [words(each) for each in sentences(f"Short. {long.capitalize()}.")] == [1, 36]
    assert not [each for each in sentences(f"```\n{long}\n```\n| {long} |\n") if each]
    assert words(f"`{long}`") == 1
