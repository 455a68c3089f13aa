"""Make the site's navigation from the lists of the Markdown pages, and pages from the files of the root.

The Markdown pages are also read on a forge, which shows a directive as code. So they have plain lists and links to
files, and this extension turns them into what Sphinx needs.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from api_pages import write_if_changed
from sphinx.application import Sphinx

PROJECT = "project"
ROOT_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
LISTED = re.compile(r"^\* (?:\*\*)?\[[^\]]+\]\(([^)#:]+)\)", re.MULTILINE)
GALLERY = "examples/README.rst"
PLACES = {GALLERY: "/gallery/index.rst"} | {name: f"/{PROJECT}/{name}" for name in ROOT_PAGES}
LINK_TO_ROOT = re.compile(rf"\]\((?:\.\./)*({'|'.join(map(re.escape, PLACES))})(#[^)]*)?\)")
LINK_IN_ROOT = re.compile(r"\]\(docs/([^)]*)\)")
LINK_TO_CODE = re.compile(r"\[([^\]]+)\]\((?:\.\./)*(?:cascade|models|configs|benchmarks|pyproject)[/.][^)]*\)")


def toctree(text: str) -> str:
    """Return a hidden table of contents with the pages that a page lists, in their order."""
    pages = dict.fromkeys(LISTED.findall(text))
    return "".join(["\n```{toctree}\n:hidden:\n\n", *(f"{page}\n" for page in pages), "```\n"]) if pages else ""


def read_page(app: Sphinx, name: str, source: list[str]) -> None:
    """Change links of one page, and add the navigation to a page called index."""
    if not os.fspath(app.env.doc2path(name)).endswith(".md"):
        return
    text = LINK_TO_ROOT.sub(lambda link: f"]({PLACES[link[1]]}{link[2] or ''})", source[0])
    # Files of the repository are no pages; the API reference has their docstrings.
    text = LINK_TO_CODE.sub(r"\1", text)
    source[0] = text + (toctree(text) if PurePosixPath(name).name == "index" else "")


def copy_root_pages(app: Sphinx) -> None:
    """Copy the pages of the root into the site's sources, with links that fit their new place."""
    for name in ROOT_PAGES:
        text = LINK_IN_ROOT.sub(r"](../\1)", (Path(app.srcdir).parent / name).read_text(encoding="utf-8"))
        write_if_changed(Path(app.srcdir, PROJECT, name), text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("builder-inited", copy_root_pages)
    app.connect("source-read", read_page)
    return {"parallel_read_safe": True}
