"""The page itself: sections laid out by templates in one file that loads nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from cascade.reports.html.layout.charts import gate_scale
from cascade.reports.html.layout.comparison_sections import comparison_sections
from cascade.reports.html.layout.many_labels_sections import many_labels_sections
from cascade.reports.html.layout.numbers import count, interval, number, share, short, signed
from cascade.reports.html.layout.panels import place_on_x
from cascade.reports.html.layout.training_sections import training_sections

if TYPE_CHECKING:
    from jinja2 import Environment

SECTIONS = {"training": training_sections, "comparison": comparison_sections, "flat": many_labels_sections}


def page(data: Mapping[str, Any], title: str, created: str) -> str:
    """Lay out a run as one HTML file.

    Names of labels, rows and contenders are text that anyone may have written: all of it is escaped, and the page's
    own policy forbids whatever is not part of it.

    Parameters
    ----------
    data : mapping
        Of `training_data`, `comparison_data` or `flat_data`.
    title : str
    created : str
        When, for people.

    Returns
    -------
    str
    """
    style, script = _asset("style.css"), _asset("explorer.js")
    policy = f"img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    template = _environment().get_template("page.html.jinja")
    return template.render(
        title=title,
        created=created,
        sections=SECTIONS[data["kind"]](data),
        explorer=_moved(data.get("explorer")),
        style=style,
        script=script,
        policy=f"default-src 'none'; {policy}; base-uri 'none'; form-action 'none'",
    )


def _moved(explorer: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What the explorer's script is given: the counts, and where each threshold lies in the charts."""
    if explorer is None:
        return None
    scale = gate_scale(explorer)
    return {**explorer, "x": [place_on_x(scale(limit)) for limit in explorer["thresholds"]]}


@cache
def _environment() -> Environment:
    # Only who writes a page waits for it.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("cascade.reports.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {each.__name__: each for each in (count, number, share, short, signed)}
    environment.globals["interval"] = interval
    return environment


def _asset(name: str) -> Any:
    """A file of this package: trusted, and not to be escaped."""
    from markupsafe import Markup

    return Markup(files("cascade.reports.html").joinpath("templates", name).read_text(encoding="utf-8"))


def _hash(asset: str) -> str:
    digest = hashlib.sha256(asset.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")
