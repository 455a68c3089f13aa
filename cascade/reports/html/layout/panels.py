"""A panel of a chart: axes and marks in the units of an SVG, for a template to write down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cascade.reports.html.layout.scales import Scale

WIDTH, HEIGHT = 340, 230
LEFT, RIGHT, TOP, BOTTOM = 46, 318, 26, 190

MOST_PANELS = 24
"""Labels that are drawn; of more, only the first."""

Point = tuple[float | None, float | None]


def place_on_x(share: float) -> float:
    """Distance from the left edge of what lies so far along the axis, 0 to 1.

    Examples
    --------
    >>> place_on_x(0.5)
    182.0
    """
    return round(LEFT + (RIGHT - LEFT) * share, 1)


@dataclass(frozen=True)
class Table:
    """Figures as a table.

    Attributes
    ----------
    caption : str
    columns : tuple of str
    rows : tuple of tuple of str
        The first cell names the row; what follows a line break is small print.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass
class Panel:
    """Axes with marks; what is undefined is left out.

    Attributes
    ----------
    title, note : str
        Above the axes.
    summary : str
        What a reader who does not see it is told.
    x, y : Scale
    x_title, y_title : str
    table : Table
        The figures that it shows.
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
        """Places and names along the lower edge."""
        return [(self.at_x(value), name) for value, name in self.x.ticks]

    @property
    def y_ticks(self) -> list[tuple[float, str]]:
        """Places and names along the left edge."""
        return [(self.at_y(value), name) for value, name in self.y.ticks]

    def at_x(self, value: float) -> float:
        """Place of a value from the left."""
        return place_on_x(self.x(value))

    def at_y(self, value: float) -> float:
        """Place of a value from the top."""
        return round(BOTTOM - (BOTTOM - TOP) * self.y(value), 1)

    def line(self, kind: str, points: Iterable[Point]) -> Panel:
        """Draw a line of a kind that the style sheet knows."""
        places = self._places(points)
        if places:
            self.paths.append((kind, "M" + "L".join(places)))
        return self

    def band(self, xs: Sequence[float], low: Sequence[float | None], high: Sequence[float | None]) -> Panel:
        """Fill what lies between two lines."""
        upper = self._places(zip(xs, high, strict=True))
        lower = self._places(zip(xs, low, strict=True))
        if upper and lower:
            self.paths.append(("band", "M" + "L".join([*upper, *reversed(lower)]) + "Z"))
        return self

    def across(self, kind: str, x: float) -> Panel:
        """Draw a vertical line over the whole height."""
        self.paths.append((kind, f"M{self.at_x(x)},{TOP}V{BOTTOM}"))
        return self

    def dot(self, kind: str, x: float | None, y: float | None) -> Panel:
        """Draw a point."""
        if x is not None and y is not None:
            self.dots.append((kind, self.at_x(x), self.at_y(y)))
        return self

    def cloud(self, points: Iterable[Point]) -> Panel:
        """Draw many points as one path, which takes a fifth of the room."""
        places = self._places(points)
        if places:
            self.paths.append(("cloud", "".join(f"M{place}h0" for place in places)))
        return self

    def _places(self, points: Iterable[Point]) -> list[str]:
        return [f"{self.at_x(x)},{self.at_y(y)}" for x, y in points if x is not None and y is not None]
