"""Load a model for prediction, in this process or on another machine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from cascade.batch.engines.worker import Opened
from cascade.batch.inputs.opening import open_input
from cascade.batch.job.identity import identify
from cascade.batch.outputs.predictions import CascadeTables, ManyLabelTables
from cascade.data.readers.table.columns import Roles
from cascade.errors import ConfigError
from cascade.many_labels.predictor import ManyLabelPredictor
from cascade.predictor import CascadePredictor
from cascade.utils.address import Place

from .locate import is_many_labels
from .tables import check_columns

TOP_K = 10
"""Labels that a many-label model lists by default."""


@dataclass(frozen=True)
class Loading:
    """How a model is loaded.

    Attributes
    ----------
    folder : path
        Folder of the model.
    top_k : int or None
        Number of most probable labels that a many-label model lists.
    runtime : str
    threads : int or None
    """

    folder: Path
    top_k: int | None
    runtime: str
    threads: int | None

    def load(self) -> CascadeTables | ManyLabelTables:
        """Load the model, to predict tables."""
        if is_many_labels(self.folder):
            return _many_label_tables(ManyLabelPredictor.load(self.folder, self.runtime, self.threads), self.top_k)
        return _cascade_tables(CascadePredictor.load(self.folder, self.runtime, self.threads), self.top_k)


# Plain data instead of a loaded model: it is pickled for each worker, and hashed to keep one model per worker.
@dataclass(frozen=True)
class Opening:
    """How a worker opens model and input.

    Attributes
    ----------
    loading : Loading
    source : path or address
    roles : Roles
        With the columns of the training.
    """

    loading: Loading
    source: Place
    roles: Roles

    def absolute(self) -> Opening:
        """Return the same with absolute paths, for a process in another working directory."""
        loading = replace(self.loading, folder=self.loading.folder.resolve())
        return replace(self, loading=loading, source=self.source.resolve())

    def __call__(self) -> Opened:
        """Open model and input."""
        tables = self.loading.load()
        source = open_input(self.source, self.roles, tables.signature, tables.gate_size)
        # Each worker identifies what it opened itself: its packages or its copy of the model may differ.
        return Opened(source, tables, identify(self.loading.folder, tables, self.roles))


def _cascade_tables(predictor: CascadePredictor, top_k: int | None) -> CascadeTables:
    if top_k is not None:
        raise ConfigError("`--top-k` needs a many-label model; a cascade writes every label. Leave it out.")
    # Checked here too, since a model that was trained in Python has not passed this check.
    check_columns(predictor.label_names)
    return CascadeTables(predictor)


def _many_label_tables(predictor: ManyLabelPredictor, top_k: int | None) -> ManyLabelTables:
    n_labels = len(predictor.label_names)
    k = min(TOP_K, n_labels) if top_k is None else top_k
    if not 1 <= k <= n_labels:
        raise ConfigError(f"`--top-k` must be between 1 and the number of labels ({n_labels}). Received {k}.")
    return ManyLabelTables(predictor, k)
