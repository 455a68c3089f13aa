"""A model whose threads do not survive a fork says so instead of hanging; other models work in a fork."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import multiprocessing, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from cascade import BalancedBinaryRelevance, CascadeClassifier, KerasClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline

kinds = {{
    "linear": lambda: MultiOutputClassifier(LogisticRegression()),
    "trees": lambda: MultiOutputClassifier(HistGradientBoostingClassifier(max_iter=5)),
    "bags": lambda: BalancedBinaryRelevance(make_pipeline(HistGradientBoostingClassifier(max_iter=5)), n_bags=2),
    "network": lambda: KerasClassifier("mlp", epochs=1),
}}
rng = np.random.default_rng(0)
X = rng.normal(size=(600, 3)).astype("float32")
Y = (X[:, :2] + rng.normal(size=(600, 2)) > 1.8).astype(int)
model = CascadeClassifier(LogisticRegression(), kinds["{kind}"]()).fit(X, Y)
model.predict(X)

def child(queue):
    try:
        queue.put(str(model.predict(X).shape))
    except Exception as error:
        queue.put(type(error).__name__ + ": " + str(error))

context = multiprocessing.get_context("fork")
queue = context.Queue()
process = context.Process(target=child, args=(queue,))
process.start()
print(queue.get(timeout=60))
process.join(30)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not fork by default")
@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        pytest.param("linear", "(600, 2)", marks=pytest.mark.slow),
        pytest.param(
            "trees",
            "CascadeError: this process was forked after its parent had used boosted trees",
            marks=pytest.mark.slow,
        ),
        ("bags", "CascadeError: this process was forked after its parent had used boosted trees"),
        ("network", "CascadeError: this process was forked after its parent had used networks"),
    ],
)
def test_a_fork_works_or_says_what_to_do(kind: str, answer: str) -> None:
    pytest.importorskip("tensorflow")
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(kind=kind)], capture_output=True, text=True, timeout=300)
    assert done.stdout.startswith(answer), done.stdout + done.stderr[-2000:]
