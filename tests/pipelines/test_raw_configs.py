"""From raw files to predictions by the command line alone, with the shipped configs and with short ones."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cascade.config.yaml_file import load_config
from cascade.datasets.samples.writer import write_sample
from cascade_pipelines import train
from cascade_pipelines.cli.app import app

CONFIGS = Path(__file__).parents[2] / "configs"


def trained(config: Path, home: Path, *options: str) -> Path:
    return train.run(load_config(config, list(options)), home / "models")[0]


@pytest.mark.parametrize("name", ["moderation", "maintenance"])
def test_shipped_configs_run_on_the_sample_that_they_name(name: str, tmp_path: Path) -> None:
    text = (CONFIGS / f"{name}.yaml").read_text()
    assert text.startswith(f"# cascade sample {name} data/{name}.csv\n# cascade train configs/{name}.yaml\n# Expected")
    write_sample(name, tmp_path / f"{name}.csv", rows=3000, seed=3)
    version = trained(CONFIGS / f"{name}.yaml", tmp_path, f"data.path={tmp_path / name}.csv", "flat_baseline=false")
    report = json.loads((version / "report.json").read_text())
    assert report["overall"]["macro_average_precision"] > 5 * report["constant"]["macro_average_precision"]
    assert report["overall"]["gate_auroc"] > 0.85


def test_the_inspection_config_reads_a_list_of_images_as_it_is(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    text = (CONFIGS / "inspection.yaml").read_text()
    start = "# cascade sample inspection data/inspection\n# cascade train configs/inspection.yaml\n# Expected"
    assert text.startswith(start)
    folder = tmp_path / "inspection"
    facts = write_sample("inspection", folder, rows=300, seed=3)
    small = "{kind: keras, network: cnn, network_options: {width: 4}, epochs: 1, validation_size: 0}"
    options = [f"data.path={folder}", f"data.label_file={folder}/Data_Entry.csv", f"gate={small}", "runtimes=[]"]
    options += [f"labeler.model={small}", "flat_baseline=false"]
    with warnings.catch_warnings():
        # Of so few images a label has no positive to calibrate on.
        warnings.simplefilter("ignore")
        version = trained(CONFIGS / "inspection.yaml", tmp_path, *options)
    report = json.loads((version / "report.json").read_text())
    assert [row["label"] for row in report["labels"]] == ["Crack", "Dent", "Pit", "Scratch", "Stain"]
    assert facts["rows"] == 300
    done = CliRunner().invoke(app, ["evaluate", str(version), str(folder), "--label-file", f"{folder}/Data_Entry.csv"])
    assert done.exit_code == 0, done.output


def comments(path: Path, n: int, rng: np.random.Generator) -> str:
    """A CSV of comments with line breaks and quotes, an id, and 0/1 columns."""
    words = rng.choice([f"word{k}" for k in range(60)], (n, 8))
    frame = pd.DataFrame({"id": [f"{k:016x}" for k in range(n)]})
    frame["comment_text"] = [" ".join(row[:4]) + '\n"quoted", ' + " ".join(row[4:]) for row in words]
    for name, word in (("toxic", "word3"), ("insult", "word9")):
        frame[name] = (rng.random(n) < np.where((words == word).any(axis=1), 0.9, 0.01)).astype(int)
    frame.to_csv(path / "data.csv", index=False)
    return "{path: data.csv, id: id, text: [comment_text], labels: [toxic, insult]}"


def machines(n: int, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    x = rng.normal(size=(n, 2))
    kind = rng.choice(["L", "M", "H"], n)
    score = np.column_stack([3 * x[:, 0] - 5, 3 * x[:, 1] - 5 + 2 * (kind == "L")])
    Y = (rng.random(score.shape) < 1 / (1 + np.exp(-score))).astype(int)
    return pd.DataFrame({"Type": kind, "Torque": x[:, 0], "Speed": x[:, 1]}), Y


def maintenance(path: Path, n: int, rng: np.random.Generator) -> str:
    """A CSV with ids, a category, and a column per failure."""
    frame, Y = machines(n, rng)
    frame.insert(0, "UDI", np.arange(n))
    frame.insert(1, "Product ID", [f"L{k}" for k in range(n)])
    frame["TWF"], frame["HDF"] = Y.T
    frame.to_csv(path / "data.csv", index=False)
    return "{path: data.csv, drop: [UDI, Product ID], labels: [TWF, HDF]}"


def with_holes(path: Path, n: int, rng: np.random.Generator) -> str:
    """A table with `?` and empty cells, semicolons, and words for labels."""
    frame, Y = machines(n, rng)
    frame = frame.astype(object)
    frame.loc[rng.random(n) < 0.1, "Torque"] = "?"
    frame.loc[rng.random(n) < 0.1, "Speed"] = ""
    frame["TWF"], frame["HDF"] = np.where(Y > 0, "yes", "no").T
    frame.to_csv(path / "data.csv", index=False, sep=";")
    return "{path: data.csv, csv: {missing: ['?']}, labels: [TWF, HDF]}"


def lists(path: Path, n: int, rng: np.random.Generator) -> str:
    """A Parquet file with a list of labels per row."""
    frame, Y = machines(n, rng)
    frame["tags"] = [[name for name, bit in zip(("TWF", "HDF"), row, strict=True) if bit] for row in Y]
    frame.to_parquet(path / "data.parquet")
    return "{path: data.parquet, labels: {column: tags}}"


@pytest.mark.parametrize("form", [comments, maintenance, with_holes, lists])
def test_from_a_raw_file_to_predictions_of_another_with_a_config_of_few_lines(
    form: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    data = form(tmp_path, 1500, rng)  # type: ignore[operator]
    Path("run.yaml").write_text(f"name: raw\ndata: {data}\n")
    (source,) = tmp_path.glob("data.*")
    run = CliRunner().invoke
    assert run(app, ["lint", "run.yaml"]).exit_code == 0
    done = run(app, ["train", "run.yaml", "--json"])
    assert done.exit_code == 0, done.output
    source.rename(tmp_path / f"old{source.suffix}")
    # New rows in the same form.
    form(tmp_path, 400, np.random.default_rng(1))  # type: ignore[operator]
    for output in ("answer.csv", "answers"):
        done = run(app, ["predict", "models/raw", source.name, "--output", output])
        assert done.exit_code == 0, done.output
    answer = pd.read_csv("answer.csv")
    assert len(answer) == 400
    parts = sorted(Path("answers").glob("part-*.parquet"))
    streamed = pd.concat([pd.read_parquet(part) for part in parts])
    np.testing.assert_allclose(streamed.filter(like="_probability"), answer.filter(like="_probability"), atol=1e-12)
    done = run(app, ["evaluate", "models/raw", source.name, "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["overall"]["macro_average_precision"] > 3 * report["constant"]["macro_average_precision"]
