"""Common checks of all model folders: errors while reading become refusals, provenance is validated."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cascade.data.labels import is_visible
from cascade.errors import ConfigError, MissingExtraError, ModelRefusedError, RuntimeUnavailableError
from cascade.rules.stability import Stability
from cascade.rules.thresholds.gate_costs import GateCosts
from cascade.utils.checks import is_number

LARGEST_ROW = 2**26
"""Numbers of the largest row."""


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn any error while a folder is read into a refusal."""
    try:
        yield
    except (ModelRefusedError, MissingExtraError, RuntimeUnavailableError):
        raise
    # Sizes are checked before memory is taken, so lack of it is a fault of the machine and not of the folder.
    except MemoryError:
        raise
    except ImportError as error:
        raise ConfigError(f"`{path}` needs a package that cannot be imported: {error}.") from error
    except Exception as error:
        # A folder from another program can be invalid in any way; none may end in a traceback.
        kind = type(error).__name__
        raise ModelRefusedError(f"`{path}` has a manifest or part that is not valid ({kind}: {error}).") from error


def label_names_from(names: Any) -> tuple[str, ...]:
    """Return the label names of a manifest; refuse values that are no texts, and characters that hide others."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ModelRefusedError("the manifest's label names must be texts; the model was not written by `save`.")
    hidden = next((name for name in names if not is_visible(name)), None)
    if hidden is not None:
        raise ModelRefusedError(f"label {hidden!r} has a control character or changes the direction of text; refused.")
    return tuple(names)


def check_signature(signature: Any, path: Path) -> None:
    """Refuse a signature with a shape, a type or names of features that no rows have."""
    shape, names = signature["row_shape"], signature["feature_names"]
    # `type`, not `isinstance`: JSON's `true` is an int in Python.
    is_shape = shape is None or (
        isinstance(shape, list)
        and all(type(size) is int and size > 0 for size in shape)
        and math.prod(shape) <= LARGEST_ROW
    )
    are_names = names is None or (
        isinstance(names, list)
        and all(isinstance(name, str) for name in names)
        and (not names or shape is None or shape == [len(names)])
    )
    if not is_shape or not are_names or not isinstance(signature["dtype"], (str, type(None))):
        raise ModelRefusedError(f"`{path}` has a signature that no rows have; it was not written by `save`.")


def check_provenance(provenance: Any, path: Path) -> dict[str, Any]:
    """Validate the parts of the provenance that are used after loading: columns, pixels, profile, gate costs."""
    if not isinstance(provenance, dict):
        raise ModelRefusedError(f"`{path}` has a provenance that is not an object.")
    columns = provenance.get("columns", {})
    if not isinstance(columns, dict) or not all(isinstance(name, (str, type(None))) for name in columns.values()):
        raise ModelRefusedError(f"`{path}` has columns in its provenance that `save` did not write.")
    adapted = provenance.get("adapted")
    if adapted is not None and not (isinstance(adapted, dict) and is_number(adapted.get("prevalence"))):
        raise ModelRefusedError(f"`{path}` has an adapted prevalence in its provenance that `save` did not write.")
    # Pixels, profile and costs are built only to validate them; loading must not fail later, when they are used.
    if "pixels" in provenance:
        from cascade.data.readers.pixels import PixelOptions

        PixelOptions.of(**provenance["pixels"])
    if "profile" in provenance:
        from cascade.drift.profile import TrainingProfile

        TrainingProfile.from_json(provenance["profile"])
    if "stability" in provenance:
        Stability.from_json(provenance["stability"])
    if "agreement" in provenance:
        from cascade.drift.agreement import LabelAgreement

        for each in provenance["agreement"]:
            LabelAgreement.from_json(each)
    if "gate_costs" in provenance:
        GateCosts.from_json(provenance["gate_costs"])
    return provenance
