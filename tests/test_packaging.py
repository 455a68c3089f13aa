"""The wheel holds all that the command needs, and the import contract is one that can break."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("cascade", "pipelines", "pyproject.toml", "setup.py", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(out), "."]
    subprocess.run(build, cwd=sources, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_every_file_under_names_of_its_own(wheel: Path) -> None:
    held = {Path(name) for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    kept = [path for name in ("cascade", "pipelines") for path in (ROOT / name).rglob("*") if path.is_file()]
    relative = {path.relative_to(ROOT) for path in kept if "__pycache__" not in path.parts}
    renamed = {
        Path("cascade_pipelines", *path.parts[1:]) if path.parts[0] == "pipelines" else path for path in relative
    }
    assert held == renamed


def test_the_installed_command_runs_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(site)}
    where = "import cascade, cascade_pipelines; print(cascade.__file__, cascade_pipelines.__file__, sep='\\n')"
    found = subprocess.run(
        [sys.executable, "-c", where], cwd=elsewhere, env=environment, check=True, capture_output=True, text=True
    )
    assert all(Path(line).is_relative_to(site) for line in found.stdout.split())
    command = [str(site / "bin" / "cascade"), "phantom", "drawn", "--rows", "64", "--size", "32", "--jobs", "1"]
    subprocess.run(command, cwd=elsewhere, env=environment, check=True, capture_output=True)
    assert (elsewhere / "drawn" / "images.npy").exists()


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        (None, "", ""),
        ("cascade/metrics/bootstrap.py", "from cascade.rules.rules import Rules", "Imports point down"),
        (
            "cascade/data/rows.py",
            "def late():\n    from cascade.predictor import CascadePredictor",
            "Imports point down",
        ),
        ("cascade/rules/probability/merge.py", "from cascade.rules.rules import Rules", "No circles between siblings"),
        ("cascade/predictor.py", "import keras", "The heart imports no framework"),
        ("cascade_pipelines/steps/tables.py", "from ..train import run", "The command line calls commands"),
    ],
)
def test_the_import_contract_breaks_where_an_import_points_up(
    file: str | None, line: str, contract: str, sources: Path, tmp_path: Path
) -> None:
    shutil.copytree(sources / "cascade", tmp_path / "cascade")
    shutil.copytree(sources / "pipelines", tmp_path / "cascade_pipelines")
    shutil.copy(sources / "pyproject.toml", tmp_path)
    if file is not None:
        with (tmp_path / file).open("a", encoding="utf-8") as handle:
            handle.write(f"\n\n{line}\n")
    done = lint_imports(tmp_path)
    broken = [name for name in done.stdout.splitlines() if name.endswith("BROKEN") or " BROKEN " in name]
    assert (done.returncode != 0) == bool(broken) == (file is not None), done.stdout + done.stderr
    assert any(contract in name for name in broken) == (file is not None)
