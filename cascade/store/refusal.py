"""Common checks of all model folders: errors while reading become refusals, provenance is validated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cascade.errors import ConfigError, ModelRefusedError
from cascade.rules.thresholds.gate_costs import GateCosts
from cascade.utils.checks import is_number


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn any error while a folder is read into a refusal."""
    try:
        yield
    # Lack of memory is a fault of the machine, not of the folder.
    except (ModelRefusedError, ConfigError, MemoryError):
        raise
    except ImportError as error:
        raise ConfigError(f"`{path}` needs a package that cannot be imported: {error}.") from error
    except Exception as error:
        # A folder from another program can be invalid in any way; none may end in a traceback.
        kind = type(error).__name__
        raise ModelRefusedError(f"`{path}` has a manifest or part that is not valid ({kind}: {error}).") from error


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
    if "gate_costs" in provenance:
        GateCosts.from_json(provenance["gate_costs"])
    return provenance
