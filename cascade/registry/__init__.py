"""Which version serves? Names, versions and aliases in an MLflow registry (extra `registry`)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cascade.registry.registry import ModelRegistry

__all__ = ["ModelRegistry"]


def __getattr__(name: str) -> Any:
    # Imported on demand: loading a plain folder needs only the check whether its path is a reference.
    if name == "ModelRegistry":
        from cascade.registry.registry import ModelRegistry

        return ModelRegistry
    raise AttributeError(f"module 'cascade.registry' has no attribute {name!r}")
