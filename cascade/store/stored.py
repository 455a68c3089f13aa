"""The content of a cascade's folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cascade.data.signature import InputSignature
from cascade.rules.rules import Rules
from cascade.rules.thresholds.certificate import Certificate


@dataclass(frozen=True)
class StoredCascade:
    """The parts of a cascade that are saved and loaded.

    Attributes
    ----------
    gate : fitted estimator
    labeler : fitted estimator or None
    rules : Rules
    signature : InputSignature
    provenance : dict
    certificate : Certificate or None
    """

    gate: Any
    labeler: Any
    rules: Rules
    signature: InputSignature
    provenance: dict[str, Any]
    certificate: Certificate | None
