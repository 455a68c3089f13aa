"""Take pictures of a report page, light and dark: `python docs/pictures/draw_report.py PAGE docs`.

Needs Chromium, of which the Debian package is `chromium`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

# Blink's numbers of the colour scheme that a page is shown in.
SCHEMES = {"report": 1, "report-dark": 0}
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1000,1500")


def draw(page: Path, out: Path) -> None:
    """Write one picture of the upper part of the page per colour scheme."""
    for name, scheme in SCHEMES.items():
        with tempfile.TemporaryDirectory() as profile:
            options = [*OPTIONS, f"--user-data-dir={profile}", f"--blink-settings=preferredColorScheme={scheme}"]
            picture = f"--screenshot={(out / f'{name}.png').resolve()}"
            subprocess.run(["chromium", *options, picture, page.resolve().as_uri()], check=True, capture_output=True)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]) / "pictures")
