"""Link names of the library in the code of Markdown pages to the API reference.

Pages name things as code, such as `CascadeClassifier` or `cascade/rules/rules.py`. A reader of the site gets a link;
a reader of the file sees the code.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from api_pages import exported_names
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.domains.python import PyXRefRole

WORDS = re.compile(r"([A-Z]\w*[a-z][A-Z]|\w+_\w+)")
NAME = re.compile(r"([A-Za-z_][\w.]*?)(\(.*\))?$")
REFERENCE = PyXRefRole()
FILE = re.compile(r"cascade/[\w/]+?(/__init__)?(\.py|/)?$")


def target(code: str, names: dict[str, str]) -> str | None:
    """Return the dotted name that a piece of code stands for, or None."""
    if FILE.match(code):
        return re.sub(r"(/__init__)?(\.py|/)?$", "", code).replace("/", ".")
    found = NAME.match(code)
    if not found:
        return None
    first, _, rest = found[1].partition(".")
    if first == "cascade":
        return found[1]
    return f"{names[first]}.{rest}".rstrip(".") if first in names else None


def link(app: Sphinx, tree: nodes.document) -> None:
    """Replace code that names something by a reference; one that leads nowhere stays code."""
    if not os.fspath(app.env.doc2path(app.env.docname)).endswith(".md"):
        return
    exports = exported_names(Path(app.srcdir).parent)
    exported = [item for package in reversed(exports) for item in exports[package].items()]
    # Single words, such as `page` or `macro`, are mostly not meant as a name.
    names = {public: full for public, full in exported if WORDS.match(public)}
    for code in list(tree.findall(lambda node: isinstance(node, nodes.literal) and not _linked(node))):
        name = target(code.astext(), names)
        if name is not None:
            where = {"refdomain": "py", "reftype": "obj", "reftarget": name, "refdoc": app.env.docname}
            reference = addnodes.pending_xref("", refexplicit=True, refwarn=False, **where)
            code.replace_self(reference)
            reference += code


def _linked(node: nodes.Node) -> bool:
    """Return whether a node is in a link or a heading."""
    while (node := node.parent) is not None:
        if isinstance(node, (nodes.reference, nodes.title, addnodes.pending_xref)):
            return True
    return False


def name_role(name: str, raw: str, text: str, line: int, inliner: Any, *rest: Any) -> Any:
    """Make the default role of docstrings: a name in the library, or code such as `.csv`."""
    # A leading dot would ask Sphinx for any name that ends so, and a suffix of a file would become a link.
    if text.startswith("."):
        return [nodes.literal(raw, text)], []
    return REFERENCE("py:obj", raw, text, line, inliner, *rest)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_role("name", name_role)
    app.connect("doctree-read", link)
    return {"parallel_read_safe": True}
