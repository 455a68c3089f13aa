"""A retraining on image files decodes each file once, beside what models and the report's pictures need."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

pytest.importorskip("keras")
pytest.importorskip("mlflow")

from cascade.classifier import CascadeClassifier
from cascade.config.yaml_file import load_config
from cascade.data.readers.image.images import ImageFiles
from cascade.datasets.phantom import write_phantom
from cascade.predictor import CascadePredictor
from cascade.registry import ModelRegistry
from cascade_pipelines import retrain
from cascade_pipelines.steps import retrain as retrain_steps


class Decoded:
    """Counts how often each file is decoded while no model is fitted, no model scores and no report is drawn."""

    def __init__(self) -> None:
        self.files: Counter[Path] = Counter()
        self.models = 0
        self.lock = threading.Lock()

    @contextmanager
    def model(self) -> Iterator[None]:
        self.models += 1
        try:
            yield
        finally:
            self.models -= 1

    def count(self, path: Path) -> None:
        with self.lock:
            self.files[path] += not self.models


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Decoded:
    found, decode = Decoded(), ImageFiles.decode

    def counted(images: ImageFiles, path: Path) -> np.ndarray:
        found.count(path)
        return decode(images, path)

    def apart(owner: Any, name: str) -> None:
        method = getattr(owner, name)

        def inside(*given: Any, **options: Any) -> Any:
            with found.model():
                return method(*given, **options)

        monkeypatch.setattr(owner, name, inside)

    monkeypatch.setattr(ImageFiles, "decode", counted)
    apart(CascadeClassifier, "fit")
    apart(CascadePredictor, "score")
    # The report shows a few images, which are known after scoring only.
    apart(retrain_steps, "training_data")
    return found


def test_each_file_is_decoded_once_beside_training_and_scoring(decoded: Decoded, tmp_path: Path) -> None:
    folder = tmp_path / "png"
    write_phantom(folder, rows=300, size=32, seed=0, format="png")
    network = {"kind": "keras", "network": "cnn", "network_options": {"width": 3}, "epochs": 1}
    promotion = {"fewest_positives": 1, "draws": 100, "speed": None}
    content = {
        "name": "bleeds",
        "data": {"path": str(folder), "group": "patient"},
        "gate": network,
        "labeler": {"model": network},
        "retrain": {"promotion": promotion},
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    models = tmp_path / "models"
    for champion in (None, 1):
        config = load_config(tmp_path / "run.yaml", [f"seed={champion or 0}"])
        result = retrain.run(config, models)
        assert result["champion"] == champion
        assert set(decoded.files.values()) == {1}
        assert len(decoded.files) == 300
        decoded.files.clear()
        if champion is None:
            ModelRegistry(models).promote("bleeds", result["challenger"], "the first")
