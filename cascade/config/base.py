"""The base of every part of a config."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ConfigModel(BaseModel):
    """A part of a config in which only known keys may stand."""

    model_config = ConfigDict(extra="forbid")
