"""A training on image files decodes each file once: checks, stages, folds, scores and pictures share the pixels."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

pytest.importorskip("keras")
pytest.importorskip("mlflow")

from cascade.config.yaml_file import load_config
from cascade.data.readers.image.images import ImageFiles
from cascade.datasets.phantom import write_phantom
from cascade.predictor import CascadePredictor
from cascade.registry import ModelRegistry
from cascade_pipelines import retrain, train

SIZE, GATE_SIZE, ROWS = 32, 16, 300


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file is decoded, by anything."""
    counts: Counter[str] = Counter()
    decode_at, lock = ImageFiles.decode_at, threading.Lock()

    def counted(images: ImageFiles, path: Path, sizes: Any) -> list[np.ndarray]:
        with lock:
            counts[path.name] += 1
        return decode_at(images, path, sizes)

    monkeypatch.setattr(ImageFiles, "decode_at", counted)
    return counts


def config_in(folder: Path, **data: Any) -> Path:
    """Write images and a config whose gate looks at smaller ones."""
    write_phantom(folder / "png", rows=ROWS, size=SIZE, seed=0, format="png")
    network = {"kind": "keras", "network": "cnn", "network_options": {"width": 3}, "epochs": 2}
    promotion = {"fewest_positives": 1, "draws": 100, "speed": None}
    content = {
        "name": "bleeds",
        "data": {"path": str(folder / "png"), "group": "patient", **data},
        "gate": network | {"image_size": GATE_SIZE},
        "labeler": {"model": network},
        "retrain": {"promotion": promotion},
        "runtimes": [],
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(content))
    return folder / "run.yaml"


@pytest.mark.slow
def test_retrainings_decode_each_file_once_in_all(decoded: Counter[str], tmp_path: Path) -> None:
    path, models = config_in(tmp_path), tmp_path / "models"
    first = retrain.run(load_config(path), models)
    assert set(decoded.values()) == {1}
    assert len(decoded) == ROWS
    ModelRegistry(models).promote("bleeds", first["challenger"], "the first")
    decoded.clear()
    second = retrain.run(load_config(path, ["seed=1"]), models)
    assert second["champion"] == 1
    assert not decoded
    # What is published is the model alone.
    kept = {place.relative_to(models).parts[0] for place in models.rglob("rows")}
    assert kept == {".cache"}


@pytest.mark.slow
def test_the_cache_changes_no_weight(decoded: Counter[str], tmp_path: Path) -> None:
    path, found = config_in(tmp_path, test_size=0.4), []
    for number, cache in enumerate(("none", "auto", str(tmp_path / "pixels"))):
        version, _ = train.run(load_config(path, [f"data.cache={cache}"]), tmp_path / str(number))
        X = np.random.default_rng(0).integers(0, 256, (50, SIZE, SIZE, 1), dtype=np.uint8)
        found.append(CascadePredictor.load(version / "model").predict_proba(X))
        assert bool(list((tmp_path / str(number)).rglob("rows"))) == (cache == "auto")
        assert (max(decoded.values()) > 2) == (cache == "none")
        decoded.clear()
    assert list((tmp_path / "pixels").rglob("rows"))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
