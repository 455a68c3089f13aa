"""Draw the layers of the library from its import contract and the first line of each package.

python docs/pictures/draw_layers.py docs/pictures/layers.png
"""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.patches import FancyBboxPatch

ROOT = Path(__file__).parents[2]
BANDS = {
    "around a model": (
        "config",
        "retraining",
        "reports",
        "tuning",
        "comparison",
        "plots",
        "batch",
        "serving",
        "many_labels",
    ),
    "the two faces": ("classifier", "predictor"),
    "kept": ("registry", "store", "drift"),
    "fitted": ("fitting", "estimators"),
    "decided and measured": ("lint", "rules", "metrics"),
    "read": ("datasets", "data"),
    "shared": ("utils", "errors"),
}
COLORS = ("#dbe7f3", "#f6d9c4", "#e3ecd8", "#f3ecd2", "#e6dff0", "#d9ecec", "#e8e8e8")


def layers() -> list[str]:
    """Packages and modules from top to bottom, as the import contract lists them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (names,) = [each["layers"] for each in settings["contracts"] if each.get("containers") == ["cascade"]]
    return list(names)


def question(name: str) -> str:
    """What a package or module answers: the first sentence of its docstring."""
    folder = ROOT / "cascade" / name
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    line = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").splitlines()[0]
    return line.partition("?")[0] + "?" if "?" in line else line.partition(":")[0].rstrip(".")


def draw(path: Path) -> None:
    """Write the picture."""
    names = layers()
    figure, axes = plt.subplots(figsize=(9, 0.32 * len(names) + 1.2), layout="constrained")
    axes.set(xlim=(0, 10), ylim=(-len(names) - 0.2, 1.6))
    axes.axis("off")
    box(axes, 0.8, "pipelines", question("../pipelines"), "#cfd8e3")
    for band, color in zip(BANDS.items(), COLORS, strict=True):
        for name in band[1]:
            box(axes, -names.index(name) - 0.5, name, question(name), color)
        middle = sum(-names.index(name) - 0.5 for name in band[1]) / len(band[1])
        axes.text(9.95, middle, band[0], ha="right", va="center", fontsize=8, color="#555555", style="italic")
    axes.annotate("", (0.1, -len(names)), (0.1, 1.2), arrowprops={"arrowstyle": "-|>", "color": "#777777"})
    axes.text(0.22, -len(names) / 2, "imports point down", fontsize=8, color="#777777", va="center", rotation=90)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def box(axes: plt.Axes, y: float, name: str, text: str, color: str) -> None:
    """Draw one layer."""
    axes.add_patch(FancyBboxPatch((0.4, y - 0.4), 8.1, 0.8, "round,pad=0,rounding_size=0.12", fc=color, ec="none"))
    axes.text(0.55, y, name, fontsize=9, family="monospace", weight="bold", va="center")
    axes.text(2.35, y, text, fontsize=9, va="center")


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
