"""The model card has front matter that a hub can parse, and the figures of the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from sklearn.linear_model import LogisticRegression

from cascade import BalancedBinaryRelevance, CascadeClassifier
from cascade.data.label_matrix import LabelMatrix
from cascade.datasets.known_truth import draw
from cascade.reports.model_card import model_card
from cascade.reports.report import evaluate

CONFIG = {"name": "bleeds", "seed": 3, "data": {"path": "/home/someone/exports/heads.npz", "group": "patient"}}
NAMES = ["a|b", "label 2", "label 3", "label 4", "label 5", "any"]


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """Report and manifest of a small model with a certificate."""
    train, test = draw(4000, seed=0), draw(2000, seed=1)
    policy = {"recall": 0.8, "confidence": 0.9, "accept_bound": True}
    labeler = BalancedBinaryRelevance(LogisticRegression(), n_bags=2)
    model = CascadeClassifier(LogisticRegression(), labeler, label_names=NAMES, gate_policy=policy)
    predictor = model.fit(train.X, train.Y, groups=train.groups).predictor_
    report = evaluate(predictor, predictor.score(test.X), LabelMatrix(test.Y, None), test.groups)
    report["certificate"] = predictor.certificate.to_json()
    folder: Path = tmp_path_factory.mktemp("version") / "model"
    predictor.save(folder)
    return report, json.loads((folder / "cascade.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def card(version: tuple[dict[str, Any], dict[str, Any]]) -> str:
    return model_card("20260101T000000000000Z", CONFIG, *version, {"versions": {"python": "3.12.1"}})


def test_the_front_matter_is_that_of_a_hub(card: str, version: tuple[dict[str, Any], dict[str, Any]]) -> None:
    _, front, body = card.split("---\n", 2)
    content = yaml.safe_load(front)
    assert content["pipeline_tag"] == "tabular-classification"
    (result,) = content["model-index"][0]["results"]
    assert set(result) == {"task", "dataset", "metrics"}
    values = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert values["macro_average_precision"] == version[0]["overall"]["macro_average_precision"]
    assert body.lstrip().startswith("# bleeds\n")


def test_each_label_has_a_row_with_its_figures(card: str, version: tuple[dict[str, Any], dict[str, Any]]) -> None:
    table = [line for line in card.splitlines() if line.startswith("| ") and line.count(" | ") == 6][1:]
    assert [line.split(" | ")[0][2:] for line in table] == ["a\\|b", *NAMES[1:]]
    for line, label in zip(table, version[0]["labels"], strict=True):
        assert f"{label['average_precision']:.3f} (" in line
        assert line.endswith("never set |") == (label["decision_threshold"] is None)


def test_the_card_has_the_fingerprint_and_the_certificate_but_no_folder_of_the_machine(
    card: str, version: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    assert version[1]["provenance"]["data"]["sha256_labels"] in card
    assert "With confidence 0.9, at a gate threshold of" in card
    assert "someone" not in card
