"""Choose a sampler by a user's option."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cascade.errors import ConfigError
from cascade.estimators.sampling.labelset import lp_ros, lp_rus
from cascade.estimators.sampling.labelwise import MOST_CLONES, MOST_DELETED, ml_ros, ml_rus
from cascade.estimators.sampling.rarity import draw_rare
from cascade.estimators.sampling.sparse_labels import Seed
from cascade.utils.checks import is_number
from cascade.utils.types import Rows

SamplingOption = str | Mapping[str, Any]

SAMPLERS: dict[str, Callable[..., Rows]] = {
    "rare": draw_rare,
    "ml_ros": ml_ros,
    "ml_rus": ml_rus,
    "lp_ros": lp_ros,
    "lp_rus": lp_rus,
}

DEFAULTS: dict[str, dict[str, float]] = {
    "rare": {"gamma": 0.5, "paste": 0.0},
    "ml_ros": {"share": 0.25},
    "ml_rus": {"share": 0.25},
    "lp_ros": {"share": 0.25},
    "lp_rus": {"share": 0.25},
}

LEAST_SHARE = 1e-6

RANGES: dict[tuple[str, str], tuple[float, float]] = {
    ("rare", "gamma"): (0.0, 1.0),
    ("rare", "paste"): (0.0, 1.0),
    ("ml_ros", "share"): (LEAST_SHARE, MOST_CLONES),
    ("lp_ros", "share"): (LEAST_SHARE, MOST_CLONES),
    ("ml_rus", "share"): (LEAST_SHARE, MOST_DELETED),
    ("lp_rus", "share"): (LEAST_SHARE, MOST_DELETED),
}


def check_sampling(option: Any) -> tuple[str, dict[str, float]]:
    """Validate a sampling option; return its kind and all of its options.

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> check_sampling({"kind": "ml_ros", "share": 0.5})
    ('ml_ros', {'share': 0.5})
    """
    mapping = {"kind": option} if isinstance(option, str) else option
    kind = mapping.get("kind") if isinstance(mapping, Mapping) else None
    if not isinstance(kind, str) or kind not in DEFAULTS:
        raise ConfigError(
            f"`sampling` must be one of {sorted(DEFAULTS)}, or a mapping with its `kind`. Received {option!r}."
        )
    given: dict[Any, Any] = {name: value for name, value in mapping.items() if name != "kind"}
    # Keys of a config may be of any type, which cannot be sorted without `key`.
    unknown = sorted(set(given) - set(DEFAULTS[kind]), key=str)
    if unknown:
        raise ConfigError(
            f"`sampling` {kind!r} must have options of {sorted(DEFAULTS[kind])}. Received {unknown[0]!r}."
        )
    for name, value in given.items():
        low, high = RANGES[kind, name]
        if not (is_number(value) and low <= value <= high):
            raise ConfigError(f"`sampling.{name}` must be in [{low:g}, {high:g}]. Received {value!r}.")
    return kind, {**DEFAULTS[kind], **given}


def draw_rows(option: SamplingOption, Y: Any, seed: Seed) -> Rows:
    """Draw rows with the sampler of an option.

    Parameters
    ----------
    option : str or mapping
        A kind, or {"kind": kind, option: value}; see `DEFAULTS`.
    Y : ndarray or sparse matrix of 0/1, shape (n, L)
    seed : int or sequence of int

    Returns
    -------
    ndarray of int
        Row numbers, with repeats where the sampler repeats rows.

    Examples
    --------
    >>> draw_rows("ml_ros", [[1, 0]] * 4 + [[0, 1]], seed=0).tolist()
    [0, 1, 2, 3, 4, 4]
    """
    # Pasting changes rows that were drawn, not which rows are drawn; see `SampledBatches`.
    kind, options = check_sampling(option)
    return SAMPLERS[kind](Y, seed=seed, **{name: value for name, value in options.items() if name != "paste"})
