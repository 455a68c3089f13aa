"""Sphinx configuration of the site; `make docs` builds it offline, with warnings as errors."""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS / "extensions")]

from cascade.utils.version import __version__  # noqa: E402

project = "cascade"
author = "The cascade authors"
copyright = "The cascade authors, Apache 2.0"
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "api_pages",
    "navigation",
    "name_links",
]
exclude_patterns = ["extensions"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}

# Single backticks in docstrings: a link where the name is known, code where it is not.
default_role = "name"
autosummary_generate = False  # numpydoc loads autosummary; the pages are those of `api_pages`
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's parameter lists have the types, with shapes
numpydoc_show_class_members = False  # autodoc lists methods with their docstrings
numpydoc_xref_param_type = False

myst_heading_anchors = 4

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",  # each script runs, whatever its name
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = f"cascade {version}"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_nav_level": 1,
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
