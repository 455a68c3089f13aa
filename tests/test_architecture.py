"""The layout is what docs/architecture.md and CONTRIBUTING.md say."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ["docs/architecture.md", "CONTRIBUTING.md"]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
LAYERS = next(contract["layers"] for contract in CONTRACTS if contract.get("containers") == ["cascade"])
FOLDERS = [path.parent for name in ("cascade", "pipelines") for path in sorted((ROOT / name).rglob("__init__.py"))]


def entries(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name != "__pycache__"]


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"`((?:cascade|pipelines|tests|docs|benchmarks)/[\w/.-]+)`", text)
    assert len(named) > 10
    for name in named:
        assert (ROOT / name).exists(), name


def test_the_contract_lists_every_package_and_module() -> None:
    found = {path.stem for path in entries(ROOT / "cascade") if path.is_dir() or path.suffix == ".py"}
    assert found - {"__init__"} == set(LAYERS)


def test_folders_are_small() -> None:
    assert len(entries(ROOT / "cascade")) <= 25
    for folder in FOLDERS:
        assert len([path for path in entries(folder) if path.is_file()]) <= 16, folder


@pytest.mark.parametrize("folder", FOLDERS[1:], ids=lambda folder: str(folder.relative_to(ROOT)))
def test_every_package_says_in_one_line_which_question_it_answers(folder: Path) -> None:
    first = docstring(folder / "__init__.py").splitlines()[0]
    assert "?" in first
    assert len(first) < 115


def test_tests_mirror_the_packages() -> None:
    mirrored = {path.name for path in entries(ROOT / "tests") if path.is_dir()} - {"saved_models"}
    assert mirrored - {"pipelines", "documentation"} <= set(LAYERS)
