"""Read the data of a run and split it into training and test rows."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cascade.config.functions import function_sources
from cascade.config.schema import LabelListConfig, RunConfig
from cascade.data import Dataset, read_data
from cascade.data.column_kinds import Kind
from cascade.data.none_label import find_none_label, none_sentence
from cascade.data.readers.cache.cached_files import with_cache
from cascade.data.readers.cache.pixel_cache import PixelCache
from cascade.data.readers.files import PixelFiles
from cascade.data.readers.pixels import PixelOptions
from cascade.data.readers.remembered import reading_to_json
from cascade.data.readers.table.columns import Roles
from cascade.data.readers.table.label_lists import LabelList
from cascade.data.readers.table.table_format import TableFormat
from cascade.data.rows import spaced_rows
from cascade.data.splits import grouped_holdout
from cascade.errors import DataError
from cascade.lint.leakage import MOST_RANKED, label_like_features, nearly_label_features, numbering_features
from cascade.utils.types import Rows

from .tables import check_columns

logger = logging.getLogger("cascade.pipeline")

CACHE = ".cache"
"""Folder of decoded pixels within the folder of all models; the dot keeps it out of the list of models."""
FEWEST_GROUPS = 3
"""One group each for fitting, calibration and test."""
MOST_LISTED = 12
"""Names in a log line."""


def roles_of(config: RunConfig) -> Roles:
    """Return the column roles of a config."""
    part = config.data
    listed = part.labels if isinstance(part.labels, LabelListConfig) else None
    lists = None if listed is None else LabelList(listed.column, listed.separator, tuple(listed.none), listed.id)
    names = tuple(part.labels) if isinstance(part.labels, list) else None
    declared: tuple[tuple[Kind, list[str]], ...] = (
        ("text", part.text),
        ("category", part.categories),
        ("date", part.dates),
    )
    return Roles(
        names,
        part.group,
        part.id,
        part.label_file,
        # A spelling of a missing cell is declared where cells are missing.
        part.allow_missing or bool(part.csv.missing),
        part.missing_labels,
        file=part.file,
        label_list=lists,
        uncertain=tuple(map(_as_text, part.uncertain)),
        negative=tuple(map(_as_text, part.negative)),
        unlisted_are_empty=part.unlisted_are_empty,
        kinds={name: kind for kind, columns in declared for name in columns},
        drop=frozenset(part.drop),
        features=None if part.features is None else tuple(part.features),
        format=TableFormat(part.csv.separator, part.csv.encoding, part.csv.decimal, tuple(part.csv.missing)),
        pixels=PixelOptions.of(part.windows, part.image_size, part.grey_bits, part.image_fit),
        leave_out_bad_files=part.leave_out_bad_files,
    )


def _as_text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def load(config: RunConfig) -> Dataset:
    """Read the data of a config, and log what was read.

    Raises
    ------
    DataError
        If the data cannot be read, has too few groups, or a label name clashes with a column of predictions.
    """
    data = read_labelled_data(config)
    # A model with such a name could be trained, but its predictions could not be written.
    check_columns(data.label_names)
    n_groups = len(np.unique(data.groups)) if data.groups is not None else len(data)
    logger.info(
        "data: %d rows, %d labels, %d groups from %s", len(data), len(data.label_names), n_groups, config.data.path
    )
    if data.feature_names is not None:
        logger.info("features: %s", _described(data))
    for sentence in suspicious_features(data):
        logger.warning("%s", sentence)
    logger.info("labels: %s; group: %s", _listed(data.label_names), "none" if data.groups is None else "given")
    if n_groups < FEWEST_GROUPS:
        raise DataError(
            f"`{config.data.path}` must hold at least {FEWEST_GROUPS} groups, for fitting, calibration and test. "
            f"Received {n_groups}."
        )
    if not data.natural_prevalence:
        logger.warning("data: rare combinations were raised above their natural share; probabilities follow the data")
    return data


def suspicious_features(data: Dataset) -> Iterator[str]:
    """Yield a sentence for each feature that was probably made from the labels, or numbers the rows."""
    # Only dense features with names are searched; a pixel cannot be taken out of an image.
    if data.feature_names is None or data.Y is None or sparse.issparse(data.X) or sparse.issparse(data.Y):
        return
    numbers, names = _numbers(data)
    copies = label_like_features(numbers, names, data.Y, data.label_names)
    rows = spaced_rows(len(data), MOST_RANKED)
    others = {name: values for name, values in _columns(data, numbers, names, rows) if name not in copies}
    labels = data.labels.part(rows)
    nearly = nearly_label_features(others, labels.values, data.label_names, labels.known)
    for sentence in (*copies.values(), *nearly):
        yield f"{sentence}: was it made from the labels? Name it in `data.labels`, or in `data.drop`."
    for name in numbering_features(numbers, names):
        yield f"feature `{name}` numbers the rows: is it a saved index? Name it as `data.id`, or in `data.drop`."


def _columns(
    data: Dataset, numbers: NDArray[np.floating], names: tuple[str, ...], rows: Rows
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield numbers and categories of some rows, by name."""
    yield from zip(names, numbers[rows].T, strict=True)
    for name, kind in (data.kinds or {}).items():
        if kind == "category":
            yield name, data.X[name].to_numpy()[rows].astype(str)


def read_labelled_data(config: RunConfig) -> Dataset:
    """Read the data of a config, without a column that means that no label is there."""
    data = read_data(config.data.path, roles_of(config))
    # A model without a gate may predict such a column like any other.
    if config.flat is not None:
        return data
    none = find_none_label(data.labels, data.label_names, config.data.none_label)
    if none.note:
        logger.warning("gate: %s.", none.note)
    if none.index is None:
        return data
    sentence = none_sentence(data.label_names[none.index])
    logger.warning("gate: %s, so it is left out of the labels; `data.none_label: null` keeps it.", sentence)
    return data.without_label(none.index)


def cached(config: RunConfig, data: Dataset, models: Path) -> Dataset:
    """Return the data with a cache of decoded pixels, if it is images or slices in files and the config allows one.

    Parameters
    ----------
    config : RunConfig
        With the sizes of images that its models take, so that files are decoded at all of them at once.
    data : Dataset
    models : path
        Folder of all models; the cache is in it, unless the config names another folder.
    """
    if config.data.cache == "none" or not isinstance(data.X, PixelFiles):
        return data
    folder = models / CACHE if config.data.cache == "auto" else Path(config.data.cache)
    return replace(data, X=with_cache(data.X, PixelCache(folder), config.data.path, config.image_sizes()))


def key_content(config: RunConfig) -> dict[str, Any]:
    """Return the content of a config that results depend on: all but where decoded pixels are kept.

    Of functions that it names, it has the code of their modules too.
    """
    content = config.model_dump(mode="json")
    del content["data"]["cache"]
    return {**content, "functions": function_sources(config)}


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return f"{len(names)} ({', '.join(names[:MOST_LISTED])}{more})"


def _described(data: Dataset) -> str:
    """Return the feature columns, by kind where there are several."""
    names = data.feature_names or ()
    if data.kinds is None:
        return _listed(names)
    by_kind = {kind: tuple(n for n in names if data.kinds[n] == kind) for kind in dict.fromkeys(data.kinds.values())}
    return "; ".join(f"{kind}: {_listed(columns)}" for kind, columns in by_kind.items())


def _numbers(data: Dataset) -> tuple[NDArray[np.floating], tuple[str, ...]]:
    """Return the features that are numbers, with their names."""
    if data.kinds is None:
        return data.X, data.feature_names or ()
    names = [name for name, kind in data.kinds.items() if kind == "number"]
    return data.X[names].to_numpy(np.float64), tuple(names)


def split(config: RunConfig, data: Dataset) -> tuple[Any, Any]:
    """Return the rows to train on and the rows to test on, in whole groups."""
    assert data.Y is not None
    # Another seed than that of the fit, which splits the training rows again.
    held = grouped_holdout(data.Y, data.groups, config.data.test_size, config.seed + 1)
    return np.flatnonzero(~held), np.flatnonzero(held)


def remembered(
    config: RunConfig, data: Dataset
) -> tuple[dict[str, str | None], dict[str, Any] | None, dict[str, Any] | None]:
    """Return what a model stores about its data: group and id column, options of pixels, and how cells were read."""
    pixels = None if data.pixels is None else data.pixels.to_json()
    reading = reading_to_json(roles_of(config))
    return {"group": config.data.group, "id": config.data.id}, pixels, reading or None
