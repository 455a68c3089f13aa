"""The base class of every part of a config, and checks of the library as validators of a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict

from cascade.errors import ConfigError


class ConfigModel(BaseModel):
    """A part of a config that accepts known keys only."""

    # pydantic ignores unknown keys by default, so that a misspelt key would train with a default value.
    model_config = ConfigDict(extra="forbid")


def refused_as_value(check: Callable[[Any], object], value: Any) -> Any:
    """Return a value if a check of the library accepts it; its error becomes one of the key."""
    try:
        check(value)
    except ConfigError as error:
        # The sentence begins with the parameter and ends with the received value. `load_config` adds both for the key
        # of the config, so both are removed here; the name of an option within the value is kept.
        name, sentence = str(error).split(" Received ")[0].rstrip(".").split(" ", 1)
        option = name.strip("`").partition(".")[2]
        raise ValueError(f"`{option}` {sentence}" if option else sentence) from error
    return value
