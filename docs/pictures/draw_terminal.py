"""Draw what commands print as pictures of a terminal: `python docs/pictures/draw_terminal.py docs`.

The commands run on a small table that this script writes. The pictures are SVG, light or dark as the reader's system.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

import numpy as np

CONFIG = """name: parts
data: {path: parts.csv, labels: [crack, dent, stain], group: batch}
gate: {kind: logistic_regression}
labeler: {model: {kind: logistic_regression}}
flat_baseline: true
"""
COMMANDS = {
    "terminal-lint": "lint parts.csv --labels crack,dent,stain --group batch",
    "terminal-train": "train parts.yaml",
}
MOST_LINES = 30
CHARACTER, LINE, MARGIN = 7.3, 17, 16
STYLE = """text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace }
text { fill: #1f2328; white-space: pre }
rect { fill: #f6f8fa; stroke: #d1d9e0 } .typed { fill: #0550ae; font-weight: 600 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } rect { fill: #151b23; stroke: #3d444d } .typed { fill: #79c0ff } }"""


def write_table(folder: Path) -> None:
    """Write a table of parts, of which few have a defect."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(6_000, 4)).round(4)
    signal = values[:, [0, 1, 3]] + values[:, [2, 2, 1]] + 0.5 * rng.normal(size=(6_000, 3))
    lines = ["length,width,weight,gloss,crack,dent,stain,batch"]
    for row, (features, labels) in enumerate(zip(values.tolist(), (signal > 2.8).astype(int).tolist(), strict=True)):
        lines.append(",".join(map(str, [*features, *labels, f"b{row // 20}"])))
    (folder / "parts.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "parts.yaml").write_text(CONFIG, encoding="utf-8")


def printed(command: str, folder: Path) -> list[str]:
    """Run a command; return its last lines on standard output."""
    call = [sys.executable, "-m", "cascade_pipelines.cli", *command.split()]
    done = subprocess.run(call, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.rstrip().splitlines()[-MOST_LINES:]


def picture(command: str, lines: list[str]) -> str:
    """Return a terminal with a command and its output as SVG."""
    shown = [f"$ cascade {command}", *lines]
    width = MARGIN * 2 + CHARACTER * max(map(len, shown))
    height = MARGIN * 2 + LINE * len(shown)
    kinds = [' class="typed"', *[""] * len(lines)]
    parts = [
        f'<text x="{MARGIN}" y="{MARGIN + LINE * (place + 0.7):.0f}"{kind}>{escape(line)}</text>'
        for place, (kind, line) in enumerate(zip(kinds, shown, strict=True))
    ]
    frame = f'<rect x="0.5" y="0.5" width="{width - 1:.0f}" height="{height - 1}" rx="6"/>'
    size = f'width="{width:.0f}" height="{height}" viewBox="0 0 {width:.0f} {height}"'
    body = "\n".join([f"<style>{STYLE}</style>", frame, *parts])
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n{body}\n</svg>\n'


if __name__ == "__main__":
    pictures = Path(sys.argv[1]) / "pictures"
    with tempfile.TemporaryDirectory() as temporary:
        write_table(Path(temporary))
        for name, command in COMMANDS.items():
            svg = picture(command, printed(command, Path(temporary)))
            (pictures / f"{name}.svg").write_text(svg, encoding="utf-8")
