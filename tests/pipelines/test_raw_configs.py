"""From raw files to predictions by the command line alone, with the shipped configs and with short ones."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from cascade.config.yaml_file import load_config
from cascade.datasets.samples.writer import write_sample
from cascade_pipelines import evaluate, predict, train

CONFIGS = Path(__file__).parents[2] / "configs"


def trained(config: Path, home: Path, *options: str) -> Path:
    return train.run(load_config(config, list(options)), home / "models")[0]


@pytest.mark.parametrize("name", ["moderation", "maintenance"])
def test_shipped_configs_run_on_the_sample_that_they_name(name: str, tmp_path: Path) -> None:
    text = (CONFIGS / f"{name}.yaml").read_text()
    assert text.startswith(f"# cascade sample {name} data/{name}.csv\n# cascade train configs/{name}.yaml\n# Expected")
    write_sample(name, tmp_path / f"{name}.csv", rows=3000, seed=3)
    version = trained(CONFIGS / f"{name}.yaml", tmp_path, f"data.path={tmp_path / name}.csv", "flat_baseline=false")
    report = yaml.safe_load((version / "report.json").read_text())
    assert report["overall"]["macro_average_precision"] > 5 * report["constant"]["macro_average_precision"]
    assert report["overall"]["gate_auroc"] > 0.85
