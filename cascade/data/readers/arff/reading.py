"""Read an ARFF file: a dense one as a table, a sparse one as a CSR matrix."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cascade.data.readers.arff.dense import ArffTable
from cascade.data.readers.arff.header import ArffHeader, read_header
from cascade.data.readers.arff.labels import label_attributes
from cascade.data.readers.arff.sparse import SparseArff
from cascade.data.readers.dataset import Dataset
from cascade.data.readers.sparse.reading import read_sparse
from cascade.data.readers.table.columns import Roles, require
from cascade.data.readers.table.tables import TableFile, read_feature_table
from cascade.errors import DataError


def read_arff(path: Path, roles: Roles, labelled: bool, features: tuple[str, ...] | None) -> Dataset:
    """Read the rows of an ARFF file, with the labels that its XML file or its header declares.

    Parameters
    ----------
    path : path
    roles : Roles
        `labels` are chosen among the declared ones, or name them where nothing declares any.
    labelled : bool
    features : tuple of str, or None
        Of a dense file: the columns that a model was trained on.

    Raises
    ------
    DataError
    """
    header = read_header(path)
    roles, declared = with_labels(path, header, roles, labelled)
    if labelled and not roles.labels:
        raise DataError(
            f"`{path}` must say which attributes are labels: put its XML file beside it, or name them in `data.labels` "
            "(or --labels)."
        )
    if header.is_sparse:
        return read_sparse(path, SparseArff(path, header, declared, roles.drop), roles, labelled)
    return read_feature_table(path, roles, labelled, features, table=dense_table(path, header))


def dense_table(path: Path, header: ArffHeader) -> TableFile:
    """Open the rows of a dense file."""
    return TableFile(path, source=ArffTable(path, header))


def with_labels(path: Path, header: ArffHeader, roles: Roles, labelled: bool) -> tuple[Roles, tuple[str, ...]]:
    """Return roles with the labels of an ARFF file, of which the others are dropped, and all of them."""
    declared = label_attributes(path, header, roles, labelled)
    wanted = roles.labels
    if wanted is not None and labelled:
        require(declared or header.names, path, wanted, "label")
    declared = declared or wanted or ()
    others = set(declared) - set(wanted or declared)
    return replace(roles, labels=wanted or declared or None, drop=roles.drop | others), declared
