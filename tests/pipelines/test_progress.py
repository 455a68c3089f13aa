"""Progress: what the library reports, and what a terminal shows of it."""

from __future__ import annotations

import logging
import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from cascade.estimators.scoring import block_log_odds
from cascade.utils.progress import counted, reported_to, step


class Heard:
    """A listener that keeps the steps in the order of their beginnings, with their totals and what was done."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int | None, str]] = []
        self.done: dict[str, int] = {}
        self.open: list[str] = []

    @contextmanager
    def __call__(self, name: str, total: int | None, unit: str) -> Iterator[Callable[[int], object]]:
        self.steps.append((name, total, unit))
        self.open.append(name)

        def advance(count: int) -> None:
            assert count >= 0
            self.done[name] = self.done.get(name, 0) + count

        try:
            yield advance
        finally:
            assert self.open.pop() == name


def test_steps_are_reported_to_the_listener_of_the_block_alone() -> None:
    heard = Heard()
    with reported_to(heard):
        assert list(counted(range(3), "folds", "folds")) == [0, 1, 2]
        assert list(counted(iter("ab"), "files", "files", 2)) == ["a", "b"]
    with step("rows", 5, "rows") as advance:
        advance(5)
    assert heard.steps == [("folds", 3, "folds"), ("files", 2, "files")]
    assert heard.done == {"folds": 3, "files": 2}


def test_an_error_ends_the_step_in_which_it_is_raised() -> None:
    heard = Heard()

    def fit_all() -> None:
        for name in counted(["a", "b"], "fits", "fits"):
            raise KeyError(name)

    with reported_to(heard), pytest.raises(KeyError):
        fit_all()
    assert heard.open == []
    assert heard.done == {}


def test_every_part_of_a_fit_reports_all_that_it_does() -> None:
    pytest.importorskip("keras")
    from cascade import BalancedBinaryRelevance, CascadeClassifier, KerasClassifier

    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 4)).astype(np.float32)
    Y = (X[:, :2] + rng.normal(size=(600, 2)) > 1.5).astype(int)
    heard = Heard()
    gate = KerasClassifier("mlp", epochs=2, batch_size=50, validation_size=0)
    labeler = BalancedBinaryRelevance(LogisticRegression(), n_bags=2)
    with reported_to(heard):
        CascadeClassifier(gate, labeler, negative_pool="positives", calibration_folds=2).fit(X, Y)
    names = [name for name, _, _ in heard.steps]
    # Two gates of folds on half of the rows each, then one on all of them.
    assert [total for name, total, _ in heard.steps if name == "mlp"][:3] == [12, 12, 24]
    assert names[:2] == ["gates of folds", "mlp"]
    assert {"labelers of folds", "bags", "gate, scoring held-out rows", "labeler, scoring held-out rows"} <= {*names}
    for name in set(names):
        assert heard.done[name] == sum(total for one, total, _ in heard.steps if one == name and total is not None)


@pytest.mark.parametrize("n_bags", [0, 3])
def test_rows_of_a_network_are_counted_batch_by_batch(n_bags: int) -> None:
    pytest.importorskip("keras")
    from cascade import BalancedBinaryRelevance, KerasClassifier

    X = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)
    network = KerasClassifier("mlp", epochs=1, batch_size=100)
    model = BalancedBinaryRelevance(network, n_bags=n_bags) if n_bags else network
    model.fit(X, (X[:, :1] > 0).astype(int))
    seen: list[int] = []
    shown = block_log_odds(model, X, np.arange(1000), 1, seen.append)
    assert np.array_equal(shown, block_log_odds(model, X, np.arange(1000), 1))
    # From 0, so that the time of the first batch counts; to the end, and never backwards.
    assert (seen[0], seen[-1]) == (0, 1000)
    assert seen == sorted(seen)
    assert set(range(0, 1000, 100)) <= {*seen} if not n_bags else len({*seen}) > 10


def test_time_left_is_that_of_the_epochs_of_this_start(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("keras")
    from cascade import KerasClassifier

    X = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    with caplog.at_level(logging.INFO, "cascade.training"):
        KerasClassifier("mlp", epochs=3, validation_size=0).fit(X, X > 0)
    lines = [record.getMessage() for record in caplog.records if "epoch" in record.getMessage()]
    assert [bool(re.search(r", at most \d+:\d\d:\d\d left$", line)) for line in lines] == [True, True, False]


def on_terminal(command: list[str]) -> tuple[int, str]:
    """Run a command with a terminal as its standard error; return its status and what was written there."""
    outer, inner = pty.openpty()
    termios.tcsetwinsize(inner, (30, 100))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=inner)
    os.close(inner)
    written = b""
    # A terminal whose last writer has gone is an error of input and output, not an end of file.
    try:
        while part := os.read(outer, 65536):
            written += part
    except OSError:
        pass
    os.close(outer)
    process.communicate(timeout=60)
    return process.returncode, written.decode()


SLOW = """
import time
from cascade.utils.progress import counted
from cascade_pipelines.steps.progress import StageBars, show_log, step_bars
import logging
show_log()
with step_bars():
    for fold in counted(range(3), "folds", "folds"):
        logging.getLogger("cascade.training").info("fold %d begins", fold)
        time.sleep(0.7)
bars = StageBars()
bars("gate", 0, 200)
time.sleep(1)
bars("gate", 100, 200)
time.sleep(1)
bars("gate", 200, 200)
"""


def test_a_terminal_shows_bars_with_time_left_and_true_rates() -> None:
    status, written = on_terminal([sys.executable, "-c", SLOW])
    assert status == 0, written
    shown = re.split(r"[\r\n]+", written)
    assert any(re.search(r"folds:  67%.*2/3 \[00:01<00:00, ", line) for line in shown), written
    # Lines of the log are whole, and not written into a bar.
    assert all(any(re.search(rf"^\S* ?\d\d:\d\d:\d\d fold {fold} begins$", one) for one in shown) for fold in range(3))
    assert any(re.search(r"gate:  50%.*100/200 \[00:01<00:01, ", line) for line in shown), written
    rates = [float(rate) for rate in re.findall(r", ([\d.]+) rows/s", written)]
    assert rates
    assert all(60 < rate < 110 for rate in rates), written


def test_a_pipe_gets_lines_of_the_log_and_no_bars() -> None:
    done = subprocess.run([sys.executable, "-c", SLOW], capture_output=True, text=True, check=True)
    assert [line.split(" ", 1)[1] for line in done.stderr.splitlines()] == [f"fold {fold} begins" for fold in range(3)]
