"""Panels of charts: axes and marks in SVG coordinates, which a template writes as SVG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cascade.reports.html.layout.scales import Scale

# The macro `panel` and `explorer.js` contain the same coordinates.
WIDTH, HEIGHT = 340, 230
LEFT, RIGHT, TOP, BOTTOM = 46, 318, 26, 190

MOST_PANELS = 24
"""Largest number of labels with charts; of more labels, the first are drawn."""

Point = tuple[float | None, float | None]


def place_on_x(share: float) -> float:
    """Return the x coordinate of a position on the axis, given as a share between 0 and 1.

    Examples
    --------
    >>> place_on_x(0.5)
    182.0
    """
    return round(LEFT + (RIGHT - LEFT) * share, 1)


@dataclass(frozen=True)
class Table:
    """A table of formatted values.

    Attributes
    ----------
    caption : str
    columns : tuple of str
    rows : tuple of tuple of str
        The first cell is the row's header. Text after a line break is shown in small print.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass
class Panel:
    """Axes with marks; undefined points are skipped.

    Attributes
    ----------
    title, note : str
        Shown above the axes.
    summary : str
        Text for screen readers.
    x, y : Scale
    x_title, y_title : str
    table : Table
        The values of the chart.
    """

    title: str
    note: str
    summary: str
    x: Scale
    y: Scale
    x_title: str
    y_title: str
    table: Table
    paths: list[tuple[str, str]] = field(default_factory=list)
    dots: list[tuple[str, float, float]] = field(default_factory=list)

    @property
    def x_ticks(self) -> list[tuple[float, str]]:
        """Positions and texts of the ticks on the lower edge."""
        return [(self.at_x(value), name) for value, name in self.x.ticks]

    @property
    def y_ticks(self) -> list[tuple[float, str]]:
        """Positions and texts of the ticks on the left edge."""
        return [(self.at_y(value), name) for value, name in self.y.ticks]

    def at_x(self, value: float) -> float:
        """Return the x coordinate of a value."""
        return place_on_x(self.x(value))

    def at_y(self, value: float) -> float:
        """Return the y coordinate of a value."""
        # SVG coordinates grow downwards. One decimal is a tenth of a pixel and keeps the paths short.
        return round(BOTTOM - (BOTTOM - TOP) * self.y(value), 1)

    def line(self, kind: str, points: Iterable[Point]) -> Panel:
        """Draw a line; `kind` is a class of the style sheet."""
        places = self._places(points)
        if places:
            self.paths.append((kind, "M" + "L".join(places)))
        return self

    def band(self, xs: Sequence[float], low: Sequence[float | None], high: Sequence[float | None]) -> Panel:
        """Fill the area between two lines."""
        # The outline runs along the upper line and back along the lower one.
        upper = self._places(zip(xs, high, strict=True))
        lower = self._places(zip(xs, low, strict=True))
        if upper and lower:
            self.paths.append(("band", "M" + "L".join([*upper, *reversed(lower)]) + "Z"))
        return self

    def across(self, kind: str, x: float) -> Panel:
        """Draw a vertical line over the full height."""
        self.paths.append((kind, f"M{self.at_x(x)},{TOP}V{BOTTOM}"))
        return self

    def dot(self, kind: str, x: float | None, y: float | None) -> Panel:
        """Draw a point, unless a coordinate is undefined."""
        if x is not None and y is not None:
            self.dots.append((kind, self.at_x(x), self.at_y(y)))
        return self

    def cloud(self, points: Iterable[Point]) -> Panel:
        """Draw many points as one path, which needs a fifth of the bytes of circles."""
        places = self._places(points)
        if places:
            # Lines of length 0 with round caps are drawn as dots.
            self.paths.append(("cloud", "".join(f"M{place}h0" for place in places)))
        return self

    def _places(self, points: Iterable[Point]) -> list[str]:
        return [f"{self.at_x(x)},{self.at_y(y)}" for x, y in points if x is not None and y is not None]
