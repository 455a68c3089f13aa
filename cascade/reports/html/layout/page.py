"""Rendering of the page: templates fill one HTML file that loads no other file."""

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
from cascade.reports.html.layout.tuning_sections import tuning_sections

if TYPE_CHECKING:
    from jinja2 import Environment

SECTIONS = {
    "training": training_sections,
    "comparison": comparison_sections,
    "many_labels": many_labels_sections,
    "tuning": tuning_sections,
}


def page(data: Mapping[str, Any], title: str, created: str) -> str:
    """Return a run as one HTML file.

    Names of labels, rows and contenders are untrusted text and are escaped. The content security policy of the page
    forbids scripts, styles and files that are not part of it.

    Parameters
    ----------
    data : mapping
        Output of `training_data`, `comparison_data`, `many_labels_data` or `tuning_data`.
    title : str
    created : str
        Date and time as shown below the title.

    Returns
    -------
    str
    """
    style, script = _asset("style.css"), _asset("explorer.js")
    # Style and script are allowed by their hashes, so injected ones are not run even if escaping failed.
    policy = f"img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    template = _environment().get_template("page.html.jinja")
    return template.render(
        title=title,
        created=created,
        sections=SECTIONS[data["kind"]](data),
        explorer=_with_positions(data.get("explorer")),
        style=style,
        script=script,
        policy=f"default-src 'none'; {policy}; base-uri 'none'; form-action 'none'",
    )


def _with_positions(explorer: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the input of the explorer's script: the counts, and each threshold's position in the charts."""
    if explorer is None:
        return None
    # Positions are computed here, so that the script does not need a second implementation of the scale.
    scale = gate_scale(explorer)
    return {**explorer, "x": [place_on_x(scale(limit)) for limit in explorer["thresholds"]]}


@cache
def _environment() -> Environment:
    # Imported here, since most callers never render a page and should not wait for the import.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("cascade.reports.html"),
        # `tojson` in the template also escapes `<`, so that no label name can close the script element.
        autoescape=True,
        # A misspelt name in a template raises instead of leaving a gap in the report.
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {each.__name__: each for each in (count, number, share, short, signed)}
    environment.globals["interval"] = interval
    return environment


def _asset(name: str) -> Any:
    """Read a template file of this package; its content is trusted and not escaped."""
    from markupsafe import Markup

    return Markup(files("cascade.reports.html").joinpath("templates", name).read_text(encoding="utf-8"))


def _hash(asset: str) -> str:
    # The hash covers the exact text between the tags, so the template must not add white space around it.
    digest = hashlib.sha256(asset.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")
