"""Options of a decoder. Configs import this module, so it imports nothing that takes long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cascade.errors import ConfigError

Decoder = float | str | Mapping[str, int]

BY_THRESHOLD = ("f1", "count")


def check_decoder(decoder: Any) -> Decoder:
    """Return a decoder if it is valid: a probability, "f1", "count", "cardinality" or {"top": k}.

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> check_decoder({"top": 10})
    {'top': 10}
    """
    is_number = isinstance(decoder, (int, float, np.floating)) and not isinstance(decoder, bool)
    top = decoder.get("top") if isinstance(decoder, Mapping) and set(decoder) == {"top"} else None
    known = (
        (is_number and 0 < decoder < 1)
        or (isinstance(decoder, str) and decoder in (*BY_THRESHOLD, "cardinality"))
        or (isinstance(top, (int, np.integer)) and not isinstance(top, bool) and top >= 1)
    )
    if not known:
        raise ConfigError(
            f"`decoder` must be a probability, 'f1', 'count', 'cardinality' or {{'top': k}}. Received {decoder!r}."
        )
    if isinstance(decoder, str):
        return decoder
    return float(decoder) if is_number else {"top": int(top)}  # type: ignore[arg-type]
