"""Models whose threads do not survive a fork of the process: they would wait for them without end."""

from __future__ import annotations

import os
from typing import Any

from cascade.data.rows import makes_batches
from cascade.errors import CascadeError

BOOSTED = ("HistGradientBoosting", "BoostedTrees", "LGBM", "XGB", "CatBoost")
"""Beginnings of the names of boosted trees, which compute in threads of OpenMP."""

_used: dict[str, int] = {}
"""The process in which a kind of model with threads was first used."""


def check_process(estimator: Any) -> None:
    """Note that a model is used here; raise if its threads were started in a process that this one was forked from.

    Raises
    ------
    CascadeError
        If the model would hang.
    """
    kind = _kind(estimator)
    if kind is not None:
        check_threads_of(kind)


def check_threads_of(kind: str) -> None:
    """Do as `check_process` for a kind of model by its name."""
    # A process keeps its number for life, so another number is that of a parent.
    if _used.setdefault(kind, os.getpid()) != os.getpid():
        raise CascadeError(
            f"this process was forked after its parent had used {kind}, which hangs in a fork; start it with "
            '`multiprocessing.get_context("spawn")` or "forkserver".'
        )


def _kind(estimator: Any) -> str | None:
    """Return what a model computes with if that starts threads: networks or boosted trees."""
    last = innermost(estimator)
    if makes_batches(last):
        return "networks"
    return "boosted trees" if type(last).__name__.startswith(BOOSTED) else None


def innermost(estimator: Any) -> Any:
    """Return the model inside of pipelines, bags and models per label."""
    while True:
        if hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        elif getattr(estimator, "estimator", None) is not None:
            estimator = estimator.estimator
        elif bags := bags_of(estimator):
            # A balanced model that was loaded has only its bags.
            estimator = bags[0]
        else:
            return estimator


def bags_of(estimator: Any) -> list[Any]:
    """Return the models inside balanced binary relevance, label by label; an empty list for other estimators."""
    return [bag for bags in estimator.estimators_ for bag in bags] if hasattr(estimator, "prior_shift_") else []
