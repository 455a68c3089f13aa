"""Batches for Keras that are fetched by row number, so that rows may be files on disk."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cascade.data.rows import as_dense, not_finite, take
from cascade.errors import CascadeError, ConfigError, DataError
from cascade.estimators.losses import Loss, SoftmaxLoss
from cascade.estimators.sampling import PastedRows, SamplingOption, check_sampling, class_ratios, draw_donors, draw_rows
from cascade.utils.types import Floats, Rows


class IndexedBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of some rows of `X`, in an order drawn per epoch from the seed and the number of the epoch.

    Parameters
    ----------
    X : rows
    target : ndarray or CSR matrix of float32, shape (n, K)
    weight : ndarray of float32, shape (n,) or (n, K), or None
    rows : ndarray of int
        Rows of `X` to draw from.
    batch_size : int
    seed : int, optional
        None keeps the order of `rows`.

    Attributes
    ----------
    error : CascadeError or None
        Why a row could not be fetched.
    """

    def __init__(
        self,
        X: Any,
        target: Any,
        weight: NDArray[np.float32] | None,
        rows: Rows,
        batch_size: int,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self.X, self.target, self.weight, self.rows = X, target, weight, rows
        self.batch_size, self.seed, self.epoch = batch_size, seed, 0
        self.error: CascadeError | None = None
        self._shuffle()

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch_size)

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        rows = self.order[number * self.batch_size : (number + 1) * self.batch_size]
        try:
            batch: tuple[Any, ...] = (finite(as_dense(take(self.X, rows))), as_dense(self.target[rows]))
        except CascadeError as error:
            # Keras wraps an error of a batch in one of its own, so the cause is kept for `train` to raise.
            self.error = error
            raise
        return batch if self.weight is None else (*batch, self.weight[rows])

    def on_epoch_end(self) -> None:
        """Draw the next epoch's order."""
        self.go_to(self.epoch + 1)

    def go_to(self, epoch: int) -> None:
        """Draw the order of an epoch, where 0 is the first."""
        self.epoch = epoch
        self._shuffle()

    def _shuffle(self) -> None:
        if self.seed is None:
            self.order = self.rows
        else:
            self.order = np.random.default_rng([self.seed, self.epoch]).permutation(self.rows)


def finite(batch: NDArray[Any]) -> NDArray[Any]:
    """Return a training batch if all of its numbers are finite."""
    # One NaN makes every weight NaN in a single step, and its cause would then be hard to find.
    if not_finite(batch).any():
        raise DataError("`X` holds a number that is not finite; a network cannot be trained on NaN or infinity.")
    return batch


class SampledBatches(IndexedBatches):
    """Batches of rows that are sampled anew per epoch; all epochs have as many rows as the first.

    Parameters
    ----------
    X, target, weight, rows, batch_size, seed
        As in `IndexedBatches`; `rows` are the rows to sample from.
    sampling : str or mapping
        See `cascade.estimators.sampling.options`.
    """

    def __init__(
        self,
        X: Any,
        target: Any,
        weight: NDArray[np.float32] | None,
        rows: Rows,
        batch_size: int,
        seed: int,
        sampling: SamplingOption,
    ) -> None:
        self.source = (X, target, weight)
        self.sampling, self.base_seed, self.size = sampling, seed, 0
        self.options = check_sampling(sampling)[1]
        # The base class draws the first epoch, which fixes the size of all others.
        super().__init__(X, target, weight, rows, batch_size, seed)
        self.size = len(self.order)

    def ratios(self) -> Floats:
        """Return how often negatives and positives of each label are drawn, over their natural share; shape (L, 2)."""
        _, target, weight = self.source
        natural, drawn = target[self.rows], self.target[self.order]
        if weight is None or self.weight is None:
            return class_ratios(natural, drawn)
        weights = [each.astype(np.float64) for each in (weight[self.rows], self.weight[self.order])]
        return class_ratios(natural, drawn, *weights)

    def _shuffle(self) -> None:
        _, target, _ = self.source
        seeds = [self.base_seed, self.epoch]
        drawn = self.rows[draw_rows(self.sampling, target[self.rows], seeds)]
        shuffled = np.random.default_rng(seeds).permutation(drawn)
        # Keras counts the batches once, while a sampler may draw a few rows fewer in another epoch.
        self.order = np.resize(shuffled, self.size) if self.size else shuffled
        if self.options.get("paste"):
            self._paste([*seeds, 1])

    def _paste(self, seeds: list[int]) -> None:
        X, target, weight = self.source
        # Donors come from the training rows only, never from rows held out for validation.
        donors = draw_donors(target[self.rows], len(self.order), self.options["paste"], self.options["gamma"], seeds)
        pasted = PastedRows(X, target, self.order, np.where(donors < 0, donors, self.rows[donors]))
        # The pasted rows have numbers of their own, so target, weight and order are renumbered with them.
        self.X, self.target = pasted, pasted.Y
        self.weight = None if weight is None else weight[self.order]
        self.order = np.arange(len(pasted))


class TiltedBatches(IndexedBatches):
    """Batches of rows at their natural prevalence, with each label's classes weighted as training samples them.

    The network's logits are those of the sample, so only a loss with the sample's balance is smallest where they are
    right. Early stopping on the plain loss would favour networks that have not yet learned this balance.

    Parameters
    ----------
    X, target, weight, rows, batch_size
        As in `IndexedBatches`.
    ratios : ndarray of float, shape (L, 2)
        From `SampledBatches.ratios`.
    """

    def __init__(
        self,
        X: Any,
        target: Any,
        weight: NDArray[np.float32] | None,
        rows: Rows,
        batch_size: int,
        ratios: Floats,
    ) -> None:
        super().__init__(X, target, weight, rows, batch_size)
        self.ratios = ratios.astype(np.float32)

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        rows, target, *weight = super().__getitem__(number)
        tilt = np.where(target > 0, self.ratios[:, 1], self.ratios[:, 0])
        return rows, target, tilt * weight[0][:, None] if weight else tilt


def refuse_unsampled(loss: Loss, n_outputs: int) -> None:
    """Refuse sampling for a single label, and for softmax, whose loss has no value per label."""
    if n_outputs < 2:
        raise ConfigError("`sampling` needs two labels or more, since it compares their rarity. Received one.")
    if isinstance(loss, SoftmaxLoss):
        raise ConfigError("`sampling` needs a loss with one value per label; choose another than 'softmax'.")
