"""References to registered models: `models:/hemorrhage@champion` or `models:/hemorrhage/3`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cascade.errors import ConfigError

PREFIX = "models:/"
MODELS = Path("models")
"""Default folder of all models."""
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
REFERENCE = re.compile(rf"models:/(?P<name>{NAME})(@(?P<alias>[A-Za-z][A-Za-z0-9_-]*)|/(?P<version>[1-9][0-9]*))")


@dataclass(frozen=True)
class Reference:
    """A version by its alias or by its number; the other one is None.

    Attributes
    ----------
    name : str
    alias : str or None
    version : int or None
    """

    name: str
    alias: str | None
    version: int | None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parse a reference.

        Raises
        ------
        ConfigError
            If the text is not a reference to a version.

        Examples
        --------
        >>> Reference.parse("models:/hemorrhage@champion")
        Reference(name='hemorrhage', alias='champion', version=None)
        >>> Reference.parse("models:/hemorrhage/3").version
        3
        """
        match = REFERENCE.fullmatch(text)
        if match is None:
            raise ConfigError(
                f"a registered model must be given as models:/NAME@ALIAS or models:/NAME/VERSION. Received {text!r}."
            )
        number = match["version"]
        return cls(match["name"], match["alias"], None if number is None else int(number))

    def __str__(self) -> str:
        place = f"/{self.version}" if self.alias is None else f"@{self.alias}"
        return f"{PREFIX}{self.name}{place}"


def is_name(name: str) -> bool:
    """Return whether a name can be part of a reference; names that other tools registered may not.

    Examples
    --------
    >>> is_name("bleeds-2"), is_name("the baker's")
    (True, False)
    """
    return re.fullmatch(NAME, name) is not None


def is_reference(path: str | Path) -> bool:
    """Return whether a path is a reference and not a folder.

    Examples
    --------
    >>> is_reference("models:/hemorrhage@champion"), is_reference("models/hemorrhage")
    (True, False)
    """
    # Only the prefix: a malformed reference then gets a specific error instead of "no such folder".
    return str(path).startswith(PREFIX)
