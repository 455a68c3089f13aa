"""The base class of every part of a config."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ConfigModel(BaseModel):
    """A part of a config that accepts known keys only."""

    # pydantic ignores unknown keys by default, so that a misspelt key would train with a default value.
    model_config = ConfigDict(extra="forbid")
