"""The flat model beside a trained cascade: the same rows, the same kind, and a sentence in text, JSON and page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.multioutput import MultiOutputClassifier

from cascade import CascadeClassifier
from cascade.config.schema import RunConfig
from cascade.errors import DataError
from cascade_pipelines import train
from cascade_pipelines.steps import flat_baseline
from cascade_pipelines.steps.flat_baseline import spread_rows
from cascade_pipelines.steps.run_data import load, split
from tests.conftest import KnownTruth
from tests.reports.pages import Page

LINEAR = {"kind": "logistic_regression"}
ROWS = 6000


@pytest.fixture(scope="module")
def config(truth: KnownTruth, tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    path = tmp_path_factory.mktemp("data") / "rows.npz"
    names = ["a", "b", "c", "d", "any"]
    np.savez(path, X=truth.X[:ROWS], Y=truth.Y[:ROWS], label_names=names, groups=np.arange(ROWS) // 4)
    body = {"name": "known", "data": {"path": str(path), "test_size": 0.4}, "gate": LINEAR, "flat_baseline": True}
    labeler = {"strategy": "balanced", "model": LINEAR, "n_bags": 2}
    return RunConfig.model_validate({**body, "labeler": labeler})


@pytest.fixture(scope="module")
def trained(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    version, _ = train.run(config, tmp_path_factory.mktemp("models"))
    return version


@pytest.fixture(scope="module")
def report(trained: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((trained / "report.json").read_text())
    return content


def test_the_flat_model_is_one_model_of_all_labels_fitted_on_the_same_rows(
    config: RunConfig, report: dict[str, Any]
) -> None:
    data = load(config)
    training, testing = split(config, data)
    flat = CascadeClassifier("none", MultiOutputClassifier(LogisticRegression()), label_names=data.label_names)
    flat.fit(data.X[training], data.Y[training], groups=data.groups[training])
    precision = report["flat"]["macro_average_precision"]
    expected = average_precision_score(data.Y[testing], flat.predict_proba(data.X[testing]))
    assert precision["flat"] == pytest.approx(expected)
    assert precision["cascade"] == report["overall"]["macro_average_precision"]
    assert precision["difference"] == pytest.approx(precision["cascade"] - precision["flat"])
    assert report["flat"]["weighted_log_loss"]["cascade"] == report["overall"]["weighted_log_loss"]


def test_arithmetic_and_time_are_those_of_both_models(report: dict[str, Any]) -> None:
    operations, seconds = report["flat"]["operations_per_row"], report["flat"]["seconds_per_row"]
    # Six features: 12 operations of a linear model. The labeler has four labels of two bags, the flat model five.
    assert operations["flat"] == 5 * 12
    assert operations["cascade"] == pytest.approx(12 + report["overall"]["share_past_gate"] * 8 * 12)
    assert report["cost"]["cascade"] == operations["cascade"]
    assert seconds["ratio"] == pytest.approx(seconds["cascade"] / seconds["flat"])
    assert 0 < seconds["flat"] < 1
    assert 256 <= seconds["rows"] <= report["overall"]["rows"]
    assert set(seconds["runtimes"]) == {"gate", "labeler", "flat"}


def test_text_and_page_have_figures_and_verdict(trained: Path, report: dict[str, Any]) -> None:
    sentence, text = report["flat"]["sentence"], (trained / "report.txt").read_text()
    assert report["verdict"][1]["sentence"] == sentence
    last = " ".join(text[text.index("verdict:") :].split())
    for found in report["verdict"][:3]:
        assert f"verdict: {found['sentence']}" in last
    assert max(map(len, text.splitlines())) <= 120
    words = Page((trained / "report.html").read_text(encoding="utf-8")).words()
    for found in report["verdict"]:
        assert found["sentence"] in words
    for shown in (f"{report['flat']['macro_average_precision']['flat']:.3f}", "microseconds per row", "of the labeler"):
        assert shown in words
    assert "flat model" in text


class Failing(LogisticRegression):  # type: ignore[misc]
    """An estimator that cannot be fitted."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Failing:
        raise DataError("no such fit.")


def test_a_flat_model_that_fails_does_not_lose_the_cascade(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> Any:
        return CascadeClassifier("none", MultiOutputClassifier(Failing()))

    monkeypatch.setattr(flat_baseline, "build_flat", failing)
    version, report = train.run(config, tmp_path)
    assert report["flat"] == {"error": "no such fit."}
    assert report["verdict"][1]["finding"] == "flat_not_fitted"
    assert (version / "model").is_dir()


@pytest.mark.slow
def test_networks_are_timed_in_one_runtime(phantom_folder: Path, tmp_path: Path) -> None:
    network = {"kind": "keras", "network": "cnn", "network_options": {"width": 12}, "epochs": 1}
    body = {"name": "tiny", "data": {"path": str(phantom_folder)}, "gate": network, "labeler": {"model": network}}
    for runtimes, expected in ((["litert"], {"litert", "keras"}), ([], {"keras"})):
        config = RunConfig.model_validate({**body, "flat_baseline": True, "runtimes": runtimes})
        _, report = train.run(config, tmp_path)
        used = {name.partition(",")[0] for name in report["flat"]["seconds_per_row"]["runtimes"].values()}
        assert len(used) == 1
        assert used <= expected


def test_without_a_cascade_there_is_nothing_to_compare(config: RunConfig) -> None:
    data = config.data.model_dump(mode="json")
    for stages, sentence in (
        ({"flat": {"model": LINEAR}}, "leave it out beside `flat`"),
        ({"gate": {"kind": "none"}}, "leave it out where `gate` has the kind none"),
    ):
        with pytest.raises(ValueError, match=sentence):
            RunConfig.model_validate({"name": "x", "data": data, "flat_baseline": True, **stages})


@given(arrays(float, st.integers(1, 60), elements=st.floats(-5, 5)), st.integers(1, 60), st.floats(-5, 5))
def test_rows_that_are_timed_pass_the_gate_as_often_as_all(gate_z: np.ndarray, n: int, threshold: float) -> None:
    rows = spread_rows(gate_z, n)
    assert len(rows) == len(set(rows.tolist())) == min(n, len(gate_z))
    assert abs((gate_z[rows] >= threshold).mean() - (gate_z >= threshold).mean()) <= 1 / len(rows)
