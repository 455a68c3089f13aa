"""Figures that are undefined, as for a label without a positive: null, and no model is lost to its report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cascade import ManyLabelPredictor
from cascade.config.schema import RunConfig
from cascade_pipelines import train_many_labels
from cascade_pipelines.cli.app import app
from cascade_pipelines.steps.version import UNREPORTED

LABELS = ["crack", "dent"]


def table(positive_parts: int) -> pd.DataFrame:
    """Rows of 60 parts; only some of the parts have labels."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(600, 3)), columns=["f0", "f1", "f2"])
    part = np.arange(600) // 10
    for name in LABELS:
        frame[name] = ((rng.random(600) < 0.3) & (part < positive_parts)).astype(int)
    return frame.assign(part=part)


def config(path: Path, name: str) -> RunConfig:
    forest = {"kind": "random_forest", "options": {"n_estimators": 5}}
    content = {
        "name": name,
        "data": {"path": path, "labels": LABELS, "group": "part"},
        "flat": {"decoder": "count", "model": forest},
        "runtimes": [],
    }
    return RunConfig.model_validate(content)


def said(*arguments: object) -> Any:
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    # Constants such as NaN are no JSON, though Python's parser reads them.
    return json.loads(done.stdout, parse_constant=pytest.fail)


@pytest.mark.filterwarnings("ignore")
def test_figures_without_a_positive_are_null(tmp_path: Path) -> None:
    table(60).to_csv(tmp_path / "many.csv", index=False)
    table(0).to_csv(tmp_path / "none.csv", index=False)
    linted = said("lint", tmp_path / "none.csv", "--labels", ",".join(LABELS), "--group", "part")
    assert next(iter(linted["data"].values()))["mean_imbalance_ratio"] is None
    checked = config(tmp_path / "many.csv", "many")
    version, _ = train_many_labels.run(checked, checked.flat, tmp_path / "models")
    report = said("evaluate", version, tmp_path / "none.csv", "--group", "part")
    assert report["overall"]["macro_average_precision"] is None
    assert report["overall"]["rows"] == 600


@pytest.mark.filterwarnings("ignore")
def test_a_training_whose_test_part_lacks_a_positive_is_published(tmp_path: Path) -> None:
    table(2).to_csv(tmp_path / "few.csv", index=False)
    checked = config(tmp_path / "few.csv", "few").model_copy(update={"seed": 1})
    for seed in range(4):
        checked = checked.model_copy(update={"seed": seed})
        version, _ = train_many_labels.run(checked, checked.flat, tmp_path / "models")
        report = json.loads((version / "report.json").read_text(), parse_constant=pytest.fail)
        assert report["overall"]["rows"] == 120


@pytest.mark.filterwarnings("ignore")
def test_a_model_whose_report_fails_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(60).to_csv(tmp_path / "many.csv", index=False)
    checked = config(tmp_path / "many.csv", "many")

    def fail(*given: object) -> None:
        raise ZeroDivisionError("a figure")

    monkeypatch.setattr(train_many_labels, "many_labels_data", fail)
    with pytest.raises(ZeroDivisionError):
        train_many_labels.run(checked, checked.flat, tmp_path / "models")
    (kept,) = (tmp_path / "models" / "many" / UNREPORTED).glob("*/model")
    assert ManyLabelPredictor.load(kept).label_names == tuple(LABELS)
    assert not list((tmp_path / "models" / "many").glob("[!.]*"))
