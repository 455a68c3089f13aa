"""How often the gate's certificate is false, and what its caution costs: Monte Carlo with known truth.

    python benchmarks/certificate.py --sets 2000

Each set is a fresh draw of held-out rows, certified by `cascade.rules.thresholds.certify.certify`. The recall of
every threshold is known: from normal distributions for independent rows, by integration over the patient's effect for
grouped ones.

    false     sets whose certificate is false: for "joint", the true recall of some certified label is below what was
              wanted; for "per_label", that of some label is below what is proven of it
    bound     the same for the bounds at the misses that were seen: of any label for "per_label", of the worst label
              for "joint", whose bounds hold one at a time
    passed    share of rows past the found threshold over that past the best one: mean, 95th percentile
    left out  sets in which some label had too few units to be certified
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binomtest, norm

from cascade.data.splits import random_groups
from cascade.rules.thresholds.certificate import Certificate
from cascade.rules.thresholds.certify import certify

EQUAL, UNEQUAL = (12,), (4, 12, 40)
"""Rows of a patient, each number as likely as the others."""
REFERENCE = 200_000
GRID = np.linspace(-8.0, 10.0, 1801)


@dataclass(frozen=True)
class Problem:
    """Where rows come from, and the truth about them at a threshold on the gate's log-odds.

    Attributes
    ----------
    draw : callable
        From a generator to log-odds (n,), labels (n, L) and groups (n,).
    recall, row_recall : callable
        From a threshold to the recall of each unit, and of each row.
    passed : callable
        From a threshold to the share of rows past it.
    """

    draw: Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray, np.ndarray]]
    recall: Callable[[float], np.ndarray]
    row_recall: Callable[[float], np.ndarray]
    passed: Callable[[float], float]


def independent(n: int, prevalence: np.ndarray, shift: np.ndarray) -> Problem:
    """Independent labels; a row's log-odds are normal around the largest shift among its labels, 0 without one."""
    order = np.argsort(-shift)
    # Chance that a row has none of the labels of larger shift: then this label decides its mean.
    free = np.ones(len(shift))
    free[order[1:]] = np.cumprod(1 - prevalence[order])[:-1]
    decides = free * prevalence

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        Y = rng.random((n, len(shift))) < prevalence
        return rng.normal((Y * shift).max(axis=1)), Y.astype(np.uint8), np.arange(n)

    def recall(threshold: float) -> np.ndarray:
        past = norm.sf(threshold - shift)
        larger = shift[None, :] > shift[:, None]
        return free * past + (larger * decides * past).sum(axis=1)

    def passed(threshold: float) -> float:
        none = np.prod(1 - prevalence)
        return float(none * norm.sf(threshold) + decides @ norm.sf(threshold - shift))

    return Problem(draw, recall, recall, passed)


def clustered(
    n: int, prevalence: np.ndarray, shift: np.ndarray, spread: float, sizes: tuple[int, ...] = EQUAL
) -> Problem:
    """Patients with a common random effect; one who has a label has it on up to half of the rows, in a run."""

    def patterns(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        rows = rng.choice(sizes, size=(count, 1, 1))
        size = (count, 1, len(shift))
        first = rng.integers(rows // 2 + 1, size=size)
        last = first + rng.integers(rows // 2, size=size)
        place = np.arange(max(sizes))[:, None]
        return (rng.random(size) < prevalence) & (first <= place) & (place <= last), (place < rows)[:, :, 0]

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        Y, there = patterns(n, rng)
        mean = (Y * shift).max(axis=2) + spread * rng.normal(size=(n, 1))
        return rng.normal(mean)[there], Y[there].astype(np.uint8), np.nonzero(there)[0]

    # Which labels meet in a row is taken from many patients; given that, the scores are integrated out.
    reference, there = patterns(REFERENCE, np.random.default_rng(12345))
    means = np.append(shift, 0.0)
    level = np.where(reference.any(axis=2), (reference * shift).argmax(axis=2), len(shift))
    counted = [
        np.stack([(level == j) & y for j in range(len(means))], 2).sum(axis=1) for y in reference.T.swapaxes(1, 2)
    ]
    everywhere = np.bincount(level[there], minlength=len(means)) / there.sum()
    by_group = [_all_pass(counts[counts.any(axis=1)], means, spread) for counts in counted]
    by_row = [counts.sum(axis=0) / counts.sum() for counts in counted]

    def past(threshold: float) -> np.ndarray:
        return norm.sf((threshold - means) / np.hypot(1, spread))

    return Problem(
        draw,
        lambda threshold: np.array([np.interp(threshold, GRID, recall) for recall in by_group]),
        lambda threshold: np.array([share @ past(threshold) for share in by_row]),
        lambda threshold: float(everywhere @ past(threshold)),
    )


def _all_pass(counts: np.ndarray, means: np.ndarray, spread: float) -> np.ndarray:
    """Share of patients all of whose rows pass, on the grid, from their number of rows around each mean."""
    kinds, patients = np.unique(counts, axis=0, return_counts=True)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    effect = spread * nodes
    chance = [
        np.exp(kinds @ norm.logsf(threshold - means[:, None] - effect)) @ (weights / weights.sum())
        for threshold in GRID
    ]
    return np.array(chance) @ (patients / patients.sum())


def held_out(problem: Problem) -> Problem:
    """A fifth of a problem's groups, as a cascade holds them out for its certificate."""

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        z, Y, group = problem.draw(rng)
        held = random_groups(group, len(group), 0.2, int(rng.integers(2**31)))
        return z[held], Y[held], group[held]

    return replace(problem, draw=draw)


def near_the_least(expected: float) -> Problem:
    """A hard label that has enough rows only by chance, an easier one, and a column that says "any of them"."""
    n, easy, shift = 2950, 0.2, np.array([2.0, 3.2])
    hard = expected / n
    share = np.array([hard, easy]) / (hard + easy)

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        kind = rng.choice(3, size=n, p=[hard, easy, 1 - hard - easy])
        Y = np.column_stack([kind == 0, kind == 1, kind < 2])
        return rng.normal(np.append(shift, 0.0)[kind]), Y.astype(np.uint8), np.arange(n)

    def recall(threshold: float) -> np.ndarray:
        past = norm.sf(threshold - shift)
        return np.append(past, share @ past)

    def passed(threshold: float) -> float:
        return float(np.array([hard, easy, 1 - hard - easy]) @ norm.sf(threshold - np.append(shift, 0.0)))

    return Problem(draw, recall, recall, passed)


def probability(z: np.ndarray) -> np.ndarray:
    # Not the logistic curve: far out it gives the same float to different log-odds.
    return z / 40 + 0.5


class Tally:
    """Counts over the sets, for one claim."""

    def __init__(self) -> None:
        self.sets = self.false = self.left_out = 0
        self.false_bound: list[np.ndarray] = []
        self.ratio: list[float] = []

    def add(self, certificate: Certificate, true: np.ndarray, passed: float, best: float) -> None:
        """Count one certificate, given the truth at its threshold."""
        claimed = [row.certified or certificate.claim == "per_label" for row in certificate.labels]
        proven = np.array([row.proven for row in certificate.labels])
        bound = np.array([row.bound for row in certificate.labels])
        self.sets += 1
        self.false += bool(((true < proven) & claimed).any())
        below = true < bound
        self.false_bound.append(below if certificate.claim == "joint" else below.any(keepdims=True))
        self.left_out += not all(row.certified for row in certificate.labels)
        self.ratio.append(passed / best)

    def line(self, title: str) -> str:
        """Lay the counts out under the heading that `main` prints."""
        bound = np.mean(self.false_bound, axis=0).max()
        low, high = binomtest(self.false, self.sets).proportion_ci()
        text = f"{title:36}{self.false / self.sets:8.1%}{low:8.1%}-{high:5.1%}{bound:8.1%}"
        return f"{text}{np.mean(self.ratio):9.2f}{np.quantile(self.ratio, 0.95):7.2f}{self.left_out / self.sets:10.1%}"


def run(title: str, problem: Problem, sets: int, recall: float, grouped: bool) -> None:
    """Certify `sets` draws in every way, and print a line for each."""
    ways = [("joint", False), ("per_label", False)] + ([("joint", True)] if grouped else [])
    tallies = {way: Tally() for way in ways}
    best = {by_row: best_share(problem, recall, by_row) for by_row in (False, True)}
    for seed in range(sets):
        z, Y, group = problem.draw(np.random.default_rng([seed, 7]))
        names = [f"label_{k}" for k in range(Y.shape[1])]
        for claim, by_row in ways:
            groups = group if grouped and not by_row else None
            found = certify(probability(z), Y, names, groups, recall, claim=claim, accept_bound=True)
            at = (found.threshold - 0.5) * 40 - 1e-9
            true = problem.row_recall(at) if by_row else problem.recall(at)
            tallies[claim, by_row].add(found, true, problem.passed(at), best[by_row])
    for (claim, by_row), tally in tallies.items():
        print(tally.line(f"{title} {claim}{', rows as units' if by_row else ''}"), flush=True)


def run_beside_mapie(units: int, sets: int, recall: float) -> None:
    """Certify one label of independent rows, and let MAPIE's controller search the same thresholds for the same."""
    from mapie.risk_control import BinaryClassificationController

    problem = independent(units * 50, np.array([0.02]), np.array([3.2]))
    best = best_share(problem, recall, by_row=True)
    own: list[float] = []
    peer: list[float] = []
    above = 0
    for seed in range(sets):
        z, Y, _ = problem.draw(np.random.default_rng([seed, 7]))
        p = probability(z)
        found = certify(p, Y, ["label"], None, recall, accept_bound=True).threshold
        # Between the scores of two positives the recall does not change, so nothing is lost by trying these.
        candidates = np.append(0.0, np.sort(p[Y[:, 0] > 0])[: units // 5])
        controller = BinaryClassificationController(
            lambda X: np.column_stack([1 - X[:, 0], X[:, 0]]),
            "recall",
            recall,
            confidence_level=0.95,
            list_predict_params=candidates,
            fwer_method="fixed_sequence",
        )
        other = float(np.max(controller.calibrate(p[:, None], Y[:, 0]).valid_predict_params, initial=0.0))
        above += other > found
        own.append(problem.passed((found - 0.5) * 40 - 1e-9) / best)
        peer.append(problem.passed((other - 0.5) * 40 - 1e-9) / best)
    print(
        f"{units} rows, one label: {np.mean(own):.3f} times the best share passed, MAPIE {np.mean(peer):.3f}; its "
        f"threshold is above ours in {above} of {sets} sets"
    )


def best_share(problem: Problem, recall: float, by_row: bool) -> float:
    """Share of rows past the highest threshold at which every label has the recall."""
    truth = problem.row_recall if by_row else problem.recall
    return problem.passed(brentq(lambda threshold: truth(threshold).min() - recall, -15, 15))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=2000)
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--units", type=int, nargs="+", default=[200, 500, 1000, 2000], help="of the rarest label")
    parser.add_argument("--spread", type=float, default=1.0, help="standard deviation of the patients' effect")
    parser.add_argument("--mapie", action="store_true", help="one label beside MAPIE, which must be installed")
    options = parser.parse_args()
    if options.mapie:
        for units in options.units:
            run_beside_mapie(units, options.sets, options.recall)
        return
    shift, share = np.array([3.2, 3.0, 2.8, 3.6]), np.array([2.0, 1.5, 1.0, 3.0])
    print(f"{'':36}{'false':>8}{'95 % interval':>14}{'bound':>8}{'passed':>9}{'95 %':>7}{'left out':>10}")
    for units in options.units:
        problem = independent(units * 50, share / 50, shift)
        run(f"{units} rows", problem, options.sets, options.recall, grouped=False)
    for units in options.units:
        problem = clustered(units * 10, share / 10, shift + 1, options.spread)
        run(f"{units} groups", problem, options.sets, options.recall, grouped=True)
    unequal = held_out(clustered(25_000, share / 10, shift + 1, options.spread, UNEQUAL))
    run("500 unequal groups of 2500", unequal, options.sets, options.recall, grouped=True)
    # 59 positives are needed at 95 %: chance decides whether the hard label takes part.
    run("59 expected rows", near_the_least(59.0), options.sets, options.recall, grouped=False)


if __name__ == "__main__":
    main()
