"""The space that is searched: candidates by config key, for the labeler alone and for a whole cascade."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Any

from cascade.tuning.trial import CASCADE, EXIT, FLAT, Setting, Values

Candidates = Mapping[str, tuple[Any, ...]]
"""Candidates by config key. The first one of each is the start of the search."""


@dataclass(frozen=True)
class Space:
    """Candidates of a search, by config key.

    Attributes
    ----------
    labeler : mapping from key to candidates
        What a flat model and the labeler of a cascade have in common.
    cascade : mapping from key to candidates
        Everything else: the gate, the pool, the merge.
    sizes : tuple of str
        Keys of `labeler` that determine its size; a flat model of each size is fitted first.
    refinements : tuple of dict
        Values of the labeler that are tried on the best flat model so far.
    recipes : tuple of dict
        Values of cascades to try before the sampler takes over. A key of the labeler that is not named has the value of
        the best flat model so far, any other key its first candidate.
    preview : dict
        Values with which a cascade is judged before its labeler is fitted on its own pool: a labeler of all rows, which
        other trials have fitted already.
    has_exit : bool
        Whether the labeler's network can have an exit. It is tried as gate of the best flat model so far. Both are one
        training, so there is nothing else to search for.
    """

    labeler: Candidates
    cascade: Candidates
    sizes: tuple[str, ...] = ()
    refinements: tuple[Values, ...] = ()
    recipes: tuple[Values, ...] = ()
    preview: Values = field(default_factory=dict)
    has_exit: bool = False

    @property
    def candidates(self) -> dict[str, tuple[Any, ...]]:
        """All candidates by key."""
        return {**self.labeler, **self.cascade}

    @property
    def n_cascades(self) -> int:
        """Number of different cascades in the space."""
        return prod(len(values) for values in self.candidates.values())

    def cascades(self) -> Iterator[Setting]:
        """Yield every cascade in the space, one by one."""
        for values in product(*self.candidates.values()):
            yield Setting(CASCADE, dict(zip(self.candidates, values, strict=True)))

    def start(self) -> Values:
        """Return the first candidate of each key."""
        return {key: values[0] for key, values in self.candidates.items()}

    def flat_of(self, setting: Setting) -> Setting:
        """Return the flat model whose labeler a setting has."""
        return Setting(FLAT, {key: setting.values[key] for key in self.labeler})

    def preview_of(self, setting: Setting) -> Setting:
        """Return the setting with which a cascade is judged first."""
        return Setting(setting.kind, {**setting.values, **self.preview})

    def planned(self, best: Values | None = None) -> Iterator[Setting]:
        """Yield the settings of the start: flat models of each size, the best one refined, its exit, the recipes.

        Parameters
        ----------
        best : dict, optional
            Values of the best flat model so far. A cascade has to be as good as this model, so it gets its labeler.
        """
        start = self.start()
        flat = {key: start[key] for key in self.labeler}
        yield Setting(FLAT, flat)
        for key in self.sizes:
            for value in self.labeler[key][1:]:
                yield Setting(FLAT, {**flat, key: value})
        best = flat if best is None else best
        for refinement in self.refinements:
            yield Setting(FLAT, {**best, **refinement})
        if self.has_exit:
            yield Setting(EXIT, best)
        for recipe in self.recipes:
            yield Setting(CASCADE, {**start, **best, **recipe})
