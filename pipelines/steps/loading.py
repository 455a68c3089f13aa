"""Load a model for prediction, here or on another machine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from cascade.batch.engines.worker import Opened
from cascade.batch.inputs.opening import open_input
from cascade.batch.job.identity import identify
from cascade.batch.outputs.predictions import CascadeTables, ManyLabelTables
from cascade.data.readers.columns import Roles
from cascade.errors import ConfigError
from cascade.many_labels.predictor import ManyLabelPredictor
from cascade.predictor import CascadePredictor

from .locate import is_many_labels
from .tables import check_columns

TOP_K = 10


@dataclass(frozen=True)
class Loading:
    """How a model is loaded.

    Attributes
    ----------
    folder : path
        Of the model.
    top_k : int or None
        Of a flat model: labels to list.
    runtime : str
    threads : int or None
    """

    folder: Path
    top_k: int | None
    runtime: str
    threads: int | None

    def answers(self) -> CascadeTables | ManyLabelTables:
        """Load it."""
        if is_many_labels(self.folder):
            return _lists(ManyLabelPredictor.load(self.folder, self.runtime, self.threads), self.top_k)
        return _labels(CascadePredictor.load(self.folder, self.runtime, self.threads), self.top_k)


@dataclass(frozen=True)
class Opening:
    """How a worker opens model and input.

    Attributes
    ----------
    loading : Loading
    source : path
    roles : Roles
        With the columns that the model remembers.
    """

    loading: Loading
    source: Path
    roles: Roles

    def absolute(self) -> Opening:
        """The same for a process in another folder."""
        loading = replace(self.loading, folder=self.loading.folder.resolve())
        return replace(self, loading=loading, source=self.source.resolve())

    def __call__(self) -> Opened:
        """Open both."""
        answers = self.loading.answers()
        source = open_input(self.source, self.roles, answers.signature, answers.gate_size)
        return Opened(source, answers, identify(self.loading.folder, answers, self.roles))


def _labels(predictor: CascadePredictor, top_k: int | None) -> CascadeTables:
    if top_k is not None:
        raise ConfigError("`--top-k` needs a flat model; a cascade writes every label. Leave it out.")
    check_columns(predictor.label_names)
    return CascadeTables(predictor)


def _lists(predictor: ManyLabelPredictor, top_k: int | None) -> ManyLabelTables:
    n_labels = len(predictor.label_names)
    k = min(TOP_K, n_labels) if top_k is None else top_k
    if not 1 <= k <= n_labels:
        raise ConfigError(f"`--top-k` must lie between 1 and the number of labels ({n_labels}). Received {k}.")
    return ManyLabelTables(predictor, k)
