"""The tutorials run as a reader would type them: Python, config files and commands, in the order of the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
BLOCK = re.compile(r"^```(python|yaml|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def run_commands(block: str, folder: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for line in block.splitlines():
        assert line.startswith("$ "), "a block of commands has no output, which nothing would check"
        done = subprocess.run(["bash", "-c", line[2:]], cwd=folder, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", sorted(path.name for path in TUTORIALS.glob("*.md") if path.stem != "index"))
def test_a_tutorial_runs_in_order(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "cascade retrain" in (TUTORIALS / page).read_text(encoding="utf-8"):
        pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for language, block in BLOCK.findall((TUTORIALS / page).read_text(encoding="utf-8")):
        if language == "python":
            exec(compile(block, page, "exec"), names)
        elif language == "yaml":
            (Path(block.partition("\n")[0].removeprefix("# "))).write_text(block, encoding="utf-8")
        else:
            run_commands(block, tmp_path)
