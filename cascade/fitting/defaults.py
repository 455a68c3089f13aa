"""Default recipe of a fit: which rows the labeler learns from, and which rows the rules are fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cascade.data.rows import makes_batches
from cascade.errors import ConfigError
from cascade.estimators.forking import innermost
from cascade.fitting.stages import is_exit

AUTO = "auto"
HELD_OUT_SIZE = 0.2
POOL_FOLDS = 3
"""Folds of the out-of-fold gates that determine which fitting rows pass a gate fitted without them."""
FOLDS = 5
MOST_FOLDED_ROWS = 100_000
"""Rows up to which estimators other than networks are fitted once per fold. A fifth of more rows is enough to fit rules
on, and the other four fifths are enough to learn from."""
MOST_FOLDED_LABELS = 20
"""Labels up to which that holds. With more labels, one model per label costs more, and fewer rows are enough."""


@dataclass(frozen=True)
class Recipe:
    """Which rows the labeler is trained on, and how the rules get rows that no model has seen.

    Attributes
    ----------
    negative_pool : {"positives", "all", "gated"}
    calibration_folds : int or None
        None holds rows out.
    calibration_size : float
        Share of the rows that is held out, if any is.
    """

    negative_pool: str
    calibration_folds: int | None
    calibration_size: float

    def __str__(self) -> str:
        rules = f"{self.calibration_folds} folds"
        if self.calibration_folds is None:
            rules = f"{self.calibration_size:.0%} of the rows held out"
        return f"negative pool {self.negative_pool}, {rules}"

    def to_json(self) -> dict[str, Any]:
        """Return plain data for a model's provenance."""
        held_out = {"calibration_size": self.calibration_size} if self.calibration_folds is None else {}
        return {"negative_pool": self.negative_pool, "calibration_folds": self.calibration_folds, **held_out}


def check_folds(folds: Any) -> None:
    """Raise an error for an invalid `calibration_folds`."""
    whole = isinstance(folds, (int, np.integer)) and not isinstance(folds, bool) and folds >= 2
    if folds is not None and not whole and not (isinstance(folds, str) and folds == AUTO):
        raise ConfigError(
            f"`calibration_folds` must be a whole number of 2 or more, None or 'auto'. Received {folds!r}."
        )


@dataclass(frozen=True)
class RecipeOptions:
    """The same options as a user gives them, each of which may be left to the data.

    Attributes
    ----------
    negative_pool : {"auto", "positives", "all", "gated"}
    calibration_folds : int, None or "auto"
    calibration_size : float or None
        If given, "auto" for the folds means to hold rows out.
    """

    negative_pool: str = AUTO
    calibration_folds: int | str | None = AUTO
    calibration_size: float | None = None

    def resolved(self, shape: tuple[int, int], n_groups: int, gate: Any, labeler: Any) -> Recipe:
        """Choose what is left to the data.

        The pool is "gated": the labeler learns from the rows that it will meet. With fewer groups than this pool needs,
        it is "positives". With a gate that is an exit of the labeler's network it is "all", since both are one training
        on all rows. The rules are fitted out of fold where that is cheap. For networks, for many rows or labels
        and with few groups, rows are held out.

        Parameters
        ----------
        shape : tuple of int
            Number of rows and labels.
        n_groups : int
            Without groups each row is one.
        gate, labeler : unfitted estimators, or "exit"

        Examples
        --------
        >>> from sklearn.linear_model import LogisticRegression
        >>> print(RecipeOptions().resolved((20_000, 5), 500, LogisticRegression(), LogisticRegression()))
        negative pool gated, 5 folds
        """
        pool, folds = self.negative_pool, self.calibration_folds
        if pool == AUTO:
            # Two groups more: one may be held out for the rules, and another one for a certificate.
            pool = "gated" if n_groups >= POOL_FOLDS + 2 else "positives"
            pool = "all" if is_exit(gate) else pool
        if isinstance(folds, str):
            networks = any(makes_batches(innermost(model)) for model in (gate, labeler))
            fits = shape[0] * max(shape[1], MOST_FOLDED_LABELS)
            cheap = not networks and fits <= MOST_FOLDED_ROWS * MOST_FOLDED_LABELS
            folds = FOLDS if cheap and self.calibration_size is None and n_groups > FOLDS else None
        size = HELD_OUT_SIZE if self.calibration_size is None else self.calibration_size
        return Recipe(pool, None if folds is None else int(folds), size)
