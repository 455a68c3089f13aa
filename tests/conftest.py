"""Small problems with known truth, shared by the tests."""

from __future__ import annotations

import logging
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

# Workers that run side by side share the cores: libraries that each start a thread a core would wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, "1")

import numpy as np
import pytest
from hypothesis import settings
from scipy.special import expit

from cascade.datasets.phantom import write_phantom
from cascade.estimators.runtime import measure
from cascade_pipelines.cli.app import main
from tests.command import Done

# A slow machine is no failure; the seed is fixed so that a run can be repeated.
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")


# Rates of exported networks are no part of what is tested here; benchmarks take their time for them.
measure.SECONDS = 0.02


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Start every test alike, whichever tests came before: the seeds of networks, and what is logged."""
    random.seed(0)
    # A command that ran in this process leaves its level.
    logging.getLogger("cascade").setLevel(logging.NOTSET)
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)


class KnownTruth:
    """Rows with p(y_k | x) known exactly: independent labels, logit p_k = slope * x_k + intercept_k."""

    intercepts = np.array([-6.0, -4.5, -4.5, -4.0])
    slope = 1.5

    def __init__(self, n: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.X = rng.normal(size=(n, 6))
        self.p = expit(self.slope * self.X[:, :4] + self.intercepts)
        findings = rng.random(self.p.shape) < self.p
        self.Y = np.column_stack([findings, findings.any(axis=1)]).astype(np.uint8)
        self.p_any = 1 - np.prod(1 - self.p, axis=1)

    def p_and_any(self) -> np.ndarray:
        """True probabilities in the order of the columns of Y."""
        return np.column_stack([self.p, self.p_any])


@pytest.fixture(scope="session")
def truth() -> KnownTruth:
    return KnownTruth(40_000, seed=0)


@pytest.fixture(scope="session")
def phantom_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "phantom"
    write_phantom(folder, rows=600, size=32, seed=3)
    return folder


@pytest.fixture(scope="session")
def png_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "png"
    write_phantom(folder, rows=64, size=32, seed=4, format="png")
    return folder


@pytest.fixture
def run_here(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Done]]:
    """Run the command line in this process, where large libraries are imported already."""
    logger = logging.getLogger("cascade")
    kept = logger.handlers, logger.level

    def here(*arguments: object) -> Done:
        command = ["cascade", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", command)
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(command, ended.value.code or 0, *capfd.readouterr())

    yield here
    logger.handlers, logger.level = kept
