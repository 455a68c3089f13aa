"""Some months of the year that `benchmarks/twelve_months.py` plays: what is spoilt is refused, the champion stays."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

pytest.importorskip("keras")
pytest.importorskip("mlflow")

from benchmarks.twelve_months import SPOILT, play
from cascade.registry import ModelRegistry


@pytest.mark.slow
def test_spoilt_months_are_refused_and_the_champion_stays(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        # A label without held-out positives is said by a warning.
        warnings.simplefilter("ignore")
        first, lost, scrambled, constant = play(2500, tmp_path, (1, *SPOILT))
    assert (first["month"], first["answer"]) == (1, "promote")
    assert [month["answer"] for month in (lost, scrambled, constant)] == ["refuse"] * 3
    assert "'subdural'" in lost["sentence"]
    assert "the champion's mean probability on its rows" in scrambled["sentence"]
    assert "one grey value" in constant["sentence"]
    (version,) = ModelRegistry(tmp_path / "models").versions("year")
    assert version.aliases == ("champion",)
