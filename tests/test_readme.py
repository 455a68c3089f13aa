"""The README's code runs as it stands; its commands run on a small phantom with short training."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cascade.config.schema import RunConfig

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

# What makes a command small; the command itself stays as the reader types it.
SMALLER = {
    "phantom": "--size 32 --rows 500",
    "train": "--set gate.epochs=1 --set labeler.model.epochs=1",
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_python_blocks_run_one_after_the_other(tmp_path: Path) -> None:
    code = "\n".join(blocks("python"))
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_cascade_commands_run_in_order(tmp_path: Path) -> None:
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    commands = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ cascade")]
    assert [shlex.split(command)[1] for command in commands] == ["phantom", "train", "phantom", "predict", "evaluate"]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for command in commands:
        smaller = f"{command} {SMALLER.get(shlex.split(command)[1], '')}"
        done = subprocess.run(
            shlex.split(smaller), cwd=tmp_path, capture_output=True, text=True, env=environment, check=False
        )
        assert done.returncode == 0, f"{smaller}\n{done.stderr}"
    assert (tmp_path / "data/predictions.parquet").exists()
    assert (tmp_path / "data/exams.parquet").exists()


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"[`$] ?make (\w+)", README))
    assert targets == {"demo", "test"}
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("block", blocks("yaml"))
def test_config_blocks_are_configs(block: str) -> None:
    RunConfig.model_validate(yaml.safe_load(block))


def test_pictures_and_links_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists()


def test_the_page_on_configuration_lists_every_key_with_its_default() -> None:
    page = (ROOT / "docs/reference/configuration.md").read_text(encoding="utf-8")
    config = RunConfig.model_validate({"name": "x", "data": {"path": "x"}}).model_dump(mode="json")
    for part in ("data", "labeler", "cascade"):
        for key, value in config[part].items():
            (line,) = [line for line in page.splitlines() if line.startswith(f"| `{part}.{key}`")]
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                assert f"| {value} |" in line
    for key in config["gate"]:
        assert f"`{key}" in page
