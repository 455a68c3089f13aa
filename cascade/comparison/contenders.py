"""The models that `compare` fits, all made from the same base learners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline

from cascade.classifier import CascadeClassifier
from cascade.comparison.flat_baseline import FlatClassifier
from cascade.comparison.naive_recipe import NaiveRecipe
from cascade.comparison.shared_fit import SharedFit
from cascade.data.rows import makes_batches, takes_views
from cascade.estimators.balanced import BalancedBinaryRelevance

REFERENCE = "flat"
CALIBRATED = "flat, calibrated"
POOLS = ("positives", "all", "gated")
SHARED = {"decision", "calibration_size"}
CALIBRATION = "platt"
"""Of the calibrated flat models; the default of the cascade."""


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
    pools: tuple[str, ...] = POOLS,
    **cascade_options: Any,
) -> dict[str, Any]:
    """Make the unfitted contenders by name.

    Parameters
    ----------
    gate, binary : binary classifiers with `predict_proba`
        Gate of the cascades and of the literal recipe, and base learner of all models of a single label.
    multilabel : multi-label classifier, optional
        Base learner of the flat model and of one labeler. Default: one `binary` per label.
    n_bags : int, default=10
    n_jobs : int, optional
        Number of balanced models that are fitted in parallel.
    calibration_folds : int, optional
    any_label : str or None, default="auto"
    random_state : int, default=0
    pools : tuple of str
        Negative pools to combine with each labeler.
    **cascade_options
        Further parameters of `CascadeClassifier`.

    Returns
    -------
    dict
        The flat model; the flat model with balanced class weights, if the base learner has them; the peer stack, if
        rows can be copied; the literal recipe; both flat models with calibration; balanced models without a gate, with
        calibration; a cascade per labeler and pool, and one with an exit as gate where the network can have one.
    """
    common: dict[str, Any] = {"calibration_folds": calibration_folds, "random_state": random_state}
    # Options of decisions are shared: otherwise F1 and coherence would compare decisions instead of models.
    common |= {name: cascade_options.pop(name) for name in SHARED & set(cascade_options)}
    # All cascades have the same gate, and a flat model is the same with and without calibration: fitted once per fold.
    gate = SharedFit(gate)
    # Bags of networks may start from the gate's trunk, and a labeler network may be fine-tuned: neither is shared.
    encoder, last = _encoder_of(binary)
    learner = last if makes_batches(last) else SharedFit(clone(last))
    together = encoder(MultiOutputClassifier(learner)) if multilabel is None else multilabel
    flat = together if multilabel is None else SharedFit(multilabel)
    weighted = _weighted(last, encoder) if multilabel is None else None
    models: dict[str, Any] = {REFERENCE: FlatClassifier(flat, **common)}
    if weighted is not None:
        models["flat, weighted loss"] = FlatClassifier(weighted, **common)
    # Undersampling indexes and copies rows; a learner that fetches its batches by row number is given no rows to copy.
    if not takes_views(binary):
        models["peer stack"] = FlatClassifier(_peer_stack(binary, random_state), **common)
    models["literal recipe"] = NaiveRecipe(gate, binary, random_state)
    balanced = encoder(BalancedBinaryRelevance(learner, n_bags=n_bags, n_jobs=n_jobs, random_state=random_state))
    # A cascade is calibrated, so its log loss says something about the gate only beside a flat model that is, too.
    models[CALIBRATED] = FlatClassifier(flat, calibration=CALIBRATION, **common)
    labelers = {"multi-label": together, "balanced": balanced}
    if weighted is not None:
        # Class weights shift log-odds by an unknown amount, which calibration corrects, here as in a cascade.
        models["flat, weighted loss, calibrated"] = FlatClassifier(weighted, calibration=CALIBRATION, **common)
        labelers["weighted"] = weighted
    models["flat, balanced"] = FlatClassifier(balanced, calibration=CALIBRATION, **common)

    return models | _cascades(gate, labelers, multilabel, pools, common | {"any_label": any_label} | cascade_options)


def _cascades(
    gate: Any, labelers: dict[str, Any], multilabel: Any, pools: tuple[str, ...], options: dict[str, Any]
) -> dict[str, CascadeClassifier]:
    """Return a cascade per labeler and pool, and one with an exit as gate where the network can have one."""
    models = {
        f"cascade, {kind}, {pool}": CascadeClassifier(gate, labeler, negative_pool=pool, **options)
        for pool in pools
        for kind, labeler in labelers.items()
    }
    if getattr(multilabel, "can_have_exit", False):
        # Both are one training on all rows, so there is no other pool and no gate to share.
        with_exit = options | {"pretrain": "all", "share_trunk": False}
        models["cascade, exit"] = CascadeClassifier("exit", multilabel, negative_pool="all", **with_exit)
    return models


def _encoder_of(binary: Any) -> tuple[Callable[[Any], Any], Any]:
    """Return what puts the frozen encoder of images of a learner before a model, and the learner behind it.

    Models of several labels or bags would otherwise have a copy for each, and encode each image as often.
    """
    if not takes_views(binary) or makes_batches(binary):
        return lambda model: model, binary
    *steps, last = (step for _, step in binary.steps)
    return lambda model: make_pipeline(*map(clone, steps), model), last


def _weighted(binary: Any, encoder: Callable[[Any], Any]) -> Any:
    """Return one model per label with balanced class weights; None if neither the learner nor a step of it has them."""
    # The last part of a nested name, so that the classifier within a pipeline is covered.
    names = [name for name in binary.get_params() if name.split("__")[-1] == "class_weight"]
    if not names:
        return None
    return encoder(MultiOutputClassifier(SharedFit(clone(binary).set_params(**dict.fromkeys(names, "balanced")))))


def _peer_stack(binary: Any, random_state: int) -> Any:
    # An optional extra, imported only if this contender is made.
    from imblearn.pipeline import make_pipeline
    from imblearn.under_sampling import RandomUnderSampler

    stack = make_pipeline(RandomUnderSampler(random_state=random_state), clone(binary))
    # Calibration around the sampler undoes its shift of log-odds: folds are sampled for fitting, not for calibration.
    return MultiOutputClassifier(CalibratedClassifierCV(stack, cv=3))
