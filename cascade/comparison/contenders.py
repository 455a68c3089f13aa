"""The models that `compare` puts beside each other, made of one base learner."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.multioutput import MultiOutputClassifier

from cascade.classifier import CascadeClassifier
from cascade.comparison.flat_baseline import FlatClassifier
from cascade.comparison.naive_recipe import NaiveRecipe
from cascade.data.rows import makes_batches
from cascade.estimators.balanced import BalancedBinaryRelevance

REFERENCE = "flat"
SHARED = {"decision", "calibration_size"}


def contenders(
    gate: Any,
    binary: Any,
    multilabel: Any = None,
    *,
    n_bags: int = 10,
    n_jobs: int | None = None,
    calibration_folds: int | None = None,
    any_label: str | None = "auto",
    random_state: int = 0,
    pools: tuple[str, ...] = ("positives", "gated"),
    **cascade_options: Any,
) -> dict[str, Any]:
    """Make the unfitted contenders by name.

    Parameters
    ----------
    gate, binary : binary classifiers with `predict_proba`
        Gate of the cascades and the recipe, and base learner of all models of one label.
    multilabel : multi-label classifier, optional
        Base learner of the flat model and of one labeler. Default: one `binary` a label.
    n_bags : int, default=10
    n_jobs : int, optional
        Balanced models fitted at a time.
    calibration_folds : int, optional
    any_label : str or None, default="auto"
    random_state : int, default=0
    pools : tuple of str
        Negative pools that each labeler is tried with.
    **cascade_options
        Further parameters of `CascadeClassifier`.

    Returns
    -------
    dict
        Flat; flat with balanced class weights, where the base learner has them; the peer stack, where rows can be
        copied; the literal recipe; a cascade for each labeler and pool.
    """
    together = MultiOutputClassifier(clone(binary)) if multilabel is None else multilabel
    common: dict[str, Any] = {"calibration_folds": calibration_folds, "random_state": random_state}
    # All choose bits in the same way, or F1 and coherence would compare decisions rather than models.
    common |= {name: cascade_options.pop(name) for name in SHARED & set(cascade_options)}
    found: dict[str, Any] = {REFERENCE: FlatClassifier(together, **common)}
    weighted = _weighted(binary) if multilabel is None else None
    if weighted is not None:
        found["flat, weighted loss"] = FlatClassifier(weighted, **common)
    if not makes_batches(binary):
        found["peer stack"] = FlatClassifier(_peer_stack(binary, random_state), **common)
    found["literal recipe"] = NaiveRecipe(gate, binary, random_state)
    labelers = {
        "multi-label": together,
        "balanced": BalancedBinaryRelevance(binary, n_bags=n_bags, n_jobs=n_jobs, random_state=random_state),
    }
    if weighted is not None:
        # Its shift is not known in advance; the cascade's calibration takes it off.
        labelers["weighted"] = weighted
    for pool in pools:
        for kind, labeler in labelers.items():
            found[f"cascade, {kind}, {pool}"] = CascadeClassifier(
                gate, labeler, any_label=any_label, negative_pool=pool, **common, **cascade_options
            )
    return found


def _weighted(binary: Any) -> Any:
    """One model a label with balanced class weights; None where neither the learner nor a step of it has any."""
    names = [name for name in binary.get_params() if name.split("__")[-1] == "class_weight"]
    if not names:
        return None
    return MultiOutputClassifier(clone(binary).set_params(**dict.fromkeys(names, "balanced")))


def _peer_stack(binary: Any, random_state: int) -> Any:
    from imblearn.pipeline import make_pipeline
    from imblearn.under_sampling import RandomUnderSampler

    stack = make_pipeline(RandomUnderSampler(random_state=random_state), clone(binary))
    return MultiOutputClassifier(CalibratedClassifierCV(stack, cv=3))
