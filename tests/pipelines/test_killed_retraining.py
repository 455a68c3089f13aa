"""A retraining that is killed before a change to files or registry ends like an undisturbed one, started again."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("mlflow")

from benchmarks.kill_retrain import kill_at_places, write_months

PLACES = 3
"""The command `python benchmarks/kill_retrain.py --places 100` has more."""


@pytest.mark.slow
def test_killed_at_injected_places_the_answer_is_the_same(tmp_path: Path) -> None:
    write_months(tmp_path)
    told = kill_at_places(tmp_path, PLACES)
    assert told["places in all"] > 100
    assert (told["different"], told["not killed"]) == (0, 0)
