"""The code of README and docs runs unchanged; the commands run on a small phantom; every link leads somewhere."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cascade.config.schema import DataConfig, RunConfig
from cascade.utils.version import __version__

ROOT = Path(__file__).parents[1]
# Without the pages that `make docs` writes.
WRITTEN = ("docs/gallery/", "docs/project/", "docs/reference/api/")
FOUND = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))
PAGES = [page for page in FOUND if not page.startswith(WRITTEN)]
TEXT = {page: (ROOT / page).read_text(encoding="utf-8") for page in ["README.md", "SECURITY.md", *PAGES]}

WITH_PYTHON = ["README.md", "docs/start/quickstart.md", "docs/start/faq.md", "docs/run/decisions.md"]
WITH_CONFIGS = ["docs/start/data.md"]
MOST_WORDS = 900

# What makes a command small; the command itself stays as the reader types it.
SMALLER = {
    "phantom": "--size 32 --rows 500",
    "train": "--set gate.epochs=1 --set labeler.model.epochs=1",
}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT[page], re.DOTALL)


def prose(page: str) -> str:
    """Return a page without its code, in which `[...](...)` is no link."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", TEXT[page], flags=re.DOTALL | re.MULTILINE))


def anchors(page: str) -> set[str]:
    """Return the fragments of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", TEXT[page], flags=re.DOTALL | re.MULTILINE), re.M)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


def commands(page: str) -> list[str]:
    return [
        line[2:] for block in blocks(page, "console") for line in block.splitlines() if line.startswith("$ cascade")
    ]


def names(commands_of_page: list[str]) -> list[str]:
    return [shlex.split(command)[1] for command in commands_of_page]


def run_small(page: str, folder: Path) -> None:
    """Run each command of a page, on little data and with little training."""
    (folder / "configs").symlink_to(ROOT / "configs")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for command in commands(page):
        smaller = f"{command} {SMALLER.get(shlex.split(command)[1], '')}"
        done = subprocess.run(
            shlex.split(smaller), cwd=folder, capture_output=True, text=True, env=environment, check=False
        )
        assert done.returncode == 0, f"{smaller}\n{done.stderr}"


@pytest.mark.parametrize("page", WITH_PYTHON)
def test_python_blocks_run_one_after_the_other(page: str, tmp_path: Path) -> None:
    assert blocks(page, "python")
    code = "\n".join(blocks(page, "python"))
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_page_of_the_start_with_python_runs() -> None:
    for page in TEXT:
        if page.startswith("docs/start/") and blocks(page, "python"):
            assert page in WITH_PYTHON


def test_cascade_commands_run_in_order(tmp_path: Path) -> None:
    typed = commands("README.md")
    # The second phantom is what the model has not seen.
    assert names(typed) == ["phantom", "phantom", "train", "predict", "evaluate"]
    assert list(dict.fromkeys(names(typed))) == ["phantom", "train", "predict", "evaluate"]
    run_small("README.md", tmp_path)
    assert (tmp_path / "data/predictions.parquet").exists()


@pytest.mark.slow
def test_commands_of_the_quickstart_run_in_order(tmp_path: Path) -> None:
    page = "docs/start/quickstart.md"
    assert names(commands(page)) == ["phantom", "train", "phantom", "predict", "evaluate"]
    run_small(page, tmp_path)
    assert (tmp_path / "data/predictions.parquet").exists()
    assert (tmp_path / "data/exams.parquet").exists()


@pytest.mark.parametrize("page", ["README.md", "docs/start/quickstart.md"])
def test_make_targets_exist(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"[`$] ?(?:PYTHON=\S+ )?make (\w+)", TEXT[page]))
    assert {"demo", "test"} <= targets <= {"demo", "test", "docs"}
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_extras_exist() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    named = re.findall(r'install -e "\.\[([\w,]+)\]"', TEXT["docs/start/quickstart.md"])
    assert {"keras", "litert", "onnx", "openvino", "dicom", "ray", "registry", "tune", "plots", "all"} <= set(named)
    for extra in ",".join(named).split(","):
        assert re.search(rf"^{extra} = \[", project, re.MULTILINE)


def test_forms_of_data_are_described_by_valid_keys() -> None:
    section = TEXT["docs/start/data.md"].partition("## From the form of your data to a config")[2].partition("\n## ")[0]
    forms = re.findall(r"`(\{path: .*?\})`", section)
    assert len(forms) > 10
    for form in forms:
        DataConfig.model_validate(yaml.safe_load(form.replace("\\|", "|")))


@pytest.mark.parametrize("block", [block for page in WITH_CONFIGS for block in blocks(page, "yaml")])
def test_config_blocks_are_configs(block: str) -> None:
    RunConfig.model_validate(yaml.safe_load(block))


@pytest.mark.parametrize("page", TEXT)
def test_pictures_and_links_exist(page: str) -> None:
    for target, fragment in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", prose(page)):
        if "://" in target:
            continue
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page}: {target} does not exist"
        linked = str(path.resolve().relative_to(ROOT.resolve()))
        if fragment and linked in TEXT:
            assert fragment in anchors(linked), f"{page}: {linked} has no heading #{fragment}"


def test_the_readme_has_a_picture_for_light_and_dark_pages() -> None:
    pictures = re.findall(r"(?:src|srcset)=\"([^\"]+)\"", TEXT["README.md"])
    assert len(pictures) == 2
    assert all((ROOT / picture).exists() for picture in pictures)
    assert re.search(r"<img alt=\"[^\"]+\"", TEXT["README.md"])


def test_the_readme_is_short() -> None:
    assert len(TEXT["README.md"].split()) <= MOST_WORDS


def listed(page: str) -> list[str]:
    """Return the pages that a page lists, by their place in the repository."""
    targets = re.findall(r"^\* (?:\*\*)?\[[^\]]+\]\(([^)#:]+)\)", TEXT[page], re.MULTILINE)
    paths = [((ROOT / page).parent / target).resolve() for target in targets]
    return [str(path.relative_to(ROOT.resolve())) for path in paths]


def test_the_indexes_list_every_page_once() -> None:
    indexes = [page for page in PAGES if page.endswith("/index.md")]
    linked = [page for index in indexes for page in listed(index) if page.startswith("docs/")]
    assert sorted(linked) == [page for page in PAGES if page != "docs/index.md"]


def test_the_citation_names_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


def test_the_page_on_configuration_lists_every_key_with_its_default() -> None:
    page = TEXT["docs/reference/configuration.md"]
    config = RunConfig.model_validate({"name": "x", "data": {"path": "x"}}).model_dump(mode="json")
    for part in ("data", "labeler", "cascade"):
        for key, value in config[part].items():
            (line,) = [line for line in page.splitlines() if line.startswith(f"| `{part}.{key}`")]
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                assert f"| {value} |" in line
    for key in config["gate"]:
        assert f"`{key}" in page
