"""scikit-learn's estimator checks of a Keras network, and of a cascade of two; minutes, so not among the tests.

    python benchmarks/estimator_checks.py

Prints each check that did not pass. Two cannot: a row of weight 2 is not the row twice where batches are drawn by row.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings

from sklearn.utils.estimator_checks import check_estimator

from cascade import CascadeClassifier, KerasClassifier

NETWORK = KerasClassifier(
    "mlp", {"width": 16, "depth": 1}, epochs=30, batch_size=32, learning_rate=0.02, validation_size=0
)
ESTIMATORS = {"network": NETWORK, "cascade": CascadeClassifier(NETWORK, NETWORK, decision=0.5)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=sorted(ESTIMATORS), nargs="+", default=sorted(ESTIMATORS))
    warnings.simplefilter("ignore")
    for name in parser.parse_args().only:
        started = time.monotonic()
        found = check_estimator(ESTIMATORS[name], on_fail=None, on_skip=None)
        passed = sum(one["status"] == "passed" for one in found)
        print(f"{name}: {passed} of {len(found)} passed in {time.monotonic() - started:.0f} s", flush=True)
        for one in found:
            if one["status"] != "passed":
                print(f"  {one['status']}: {one['check_name']}: {str(one['exception']).splitlines()[0]}")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
