"""Make objects of listed classes: every attribute is checked before the object exists."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

from sklearn.base import BaseEstimator

from cascade.errors import ModelRefusedError
from cascade.store.skops.checks import Sizes
from cascade.store.skops.listed import ALWAYS, DROPPED, LISTED, REMAINDER, TREE_CLASS, Listed
from cascade.store.skops.members import is_estimator
from cascade.store.skops.trees import make_tree

FIRST = ("n_features_in_", "classes_", "classes")
"""Attributes whose sizes all others are compared with."""
OURS: dict[str, Any] = {"n_jobs": None, "verbose": False}
"""Parameters that the reader decides: threads and output belong to the process."""


class Maker:
    """Makes the objects of one file.

    Parameters
    ----------
    name : str
        Path of the file, for errors.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, kind: str, attributes: Any) -> Any:
        """Return an object of the listed class of a full name.

        Raises
        ------
        ModelRefusedError
            If an attribute is missing, is not listed or does not fit the others.
        """
        if kind == TREE_CLASS:
            return self._made(make_tree(attributes), "a tree whose nodes point outside of it or do not fit")
        if kind.startswith(DROPPED):
            return None
        if kind == REMAINDER:
            return list(attributes["data"])
        # The module is that of the list, which the file has only chosen from.
        module, _, name = kind.rpartition(".")
        return self._object(getattr(import_module(module), name), LISTED[kind], attributes)

    def _object(self, kind: type, listed: Listed, attributes: dict[str, Any]) -> Any:
        parameters = _defaults(kind)
        given = {name: value for name, value in attributes.items() if name not in parameters}
        given.pop("_sklearn_version", None)
        sizes = self._check_attributes(kind, listed, given, set(attributes) - set(parameters))
        for name in parameters.keys() & attributes.keys():
            if not is_estimator(attributes[name], {}):
                raise self._refused(f"{kind.__name__} with a parameter `{name}` that is not plain")
        # As a pickle does it: the constructor is not called, since it may have required arguments.
        made: Any = object.__new__(kind)
        # Parameters that a release of scikit-learn has added have their defaults.
        ours = {name: value for name, value in OURS.items() if name in parameters}
        state = parameters | attributes | ours
        if isinstance(made, BaseEstimator):
            # As when a pickle is read: warns of another version, and rebuilds what is not kept.
            made.__setstate__(state)
            # Some classes have no parameters to check.
            if hasattr(made, "_parameter_constraints"):
                self._check_parameters(made)
        else:
            vars(made).update(state)
        if listed.rule is not None and _is_fitted(listed, attributes) and not listed.rule(made, sizes):
            raise self._refused(f"{kind.__name__} with parts that do not fit together")
        return made

    def _check_attributes(self, kind: type, listed: Listed, given: dict[str, Any], names: set[str]) -> Sizes:
        """Check the fitted attributes, those first that the others depend on; return the sizes."""
        sizes: Sizes = {}
        known = ALWAYS | dict(listed.optional) | dict(listed.needed)
        for name in sorted(given, key=lambda one: (one not in FIRST, one)):
            check = known.get(name)
            if check is None:
                raise self._refused(f"{kind.__name__} with an attribute `{name}`, which is not listed")
            if not check(given[name], sizes):
                raise self._refused(f"{kind.__name__} with an attribute `{name}` that no fit gives")
        missing = sorted(listed.needed.keys() - given.keys() - _defaults(kind).keys())
        # Templates inside other estimators are not fitted, and have none of these attributes.
        if missing and listed.needed.keys() & given.keys():
            raise self._refused(f"{kind.__name__} without its attribute `{missing[0]}`")
        return sizes

    def _check_parameters(self, made: Any) -> None:
        try:
            made._validate_params()
        except (ValueError, TypeError, AttributeError) as error:
            reason = str(error).splitlines()[0]
            raise self._refused(f"{type(made).__name__} with a parameter that it does not take: {reason}") from error

    def _made(self, value: Any, otherwise: str) -> Any:
        if value is None:
            raise self._refused(otherwise)
        return value

    def _refused(self, what: str) -> ModelRefusedError:
        return ModelRefusedError(f"`{self.name}` holds {what}; it was not loaded.")


def is_listed(kind: str) -> bool:
    """Return whether a file may hold the class of a full name."""
    return kind in LISTED or kind == REMAINDER or kind.startswith(DROPPED)


def _is_fitted(listed: Listed, attributes: dict[str, Any]) -> bool:
    return not listed.needed or bool(listed.needed.keys() & attributes.keys())


def _defaults(kind: type) -> dict[str, Any]:
    """Return the parameters of an estimator's constructor with their defaults."""
    if not issubclass(kind, BaseEstimator):
        return {}
    parameters = inspect.signature(kind).parameters.values()
    return {
        one.name: None if one.default is inspect.Parameter.empty else one.default
        for one in parameters
        if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
    }
