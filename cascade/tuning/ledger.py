"""The finished trials of a search, as a study of Optuna in one SQLite file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cascade.tuning.sampling import directions, distributions_of, frozen, import_optuna
from cascade.tuning.space import Space
from cascade.tuning.trial import Judgement, Setting, Trial

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

NAME = "study.db"


class Ledger:
    """Finished trials of one search.

    A trial is added when it is finished, in one transaction, and never changed. So a killed search leaves no trial
    that is half done: its number is free, and the next process gives the same setting to it.

    Parameters
    ----------
    study : optuna.Study
    space : Space
    """

    def __init__(self, study: Study, space: Space) -> None:
        self._study = study
        self._distributions = distributions_of(space)

    def trials(self) -> list[Trial]:
        """Return all trials in order."""
        return [_trial(each) for each in self._study.get_trials(deepcopy=False)]

    def add(self, trial: Trial) -> None:
        """Store a trial, whose number must be the next one."""
        self._study.add_trial(frozen(trial, self._distributions, **_attributes(trial)))


@contextmanager
def opened(folder: Path, name: str, space: Space, maximise: bool) -> Iterator[Ledger]:
    """Open the ledger of the search `name` in a folder, and close it at the end of the block.

    Parameters
    ----------
    folder : path
    name : str
        A key of everything that the trials depend on, so that trials of another search are not continued.
    space : Space
    maximise : bool
    """
    optuna = import_optuna()
    folder.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.RDBStorage(f"sqlite:///{(folder / NAME).resolve()}")
    try:
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=directions(maximise),
            load_if_exists=True,
        )
        yield Ledger(study, space)
    finally:
        # Otherwise connections stay open until the garbage collector finds them.
        storage.remove_session()
        storage.engine.dispose()


def _attributes(trial: Trial) -> dict[str, Any]:
    return {
        "kind": trial.setting.kind,
        "judgement": None if trial.judgement is None else _to_json(trial.judgement),
        "first": None if trial.first is None else _to_json(trial.first),
        "pruned": trial.pruned,
        "seconds": trial.seconds,
    }


def _trial(stored: FrozenTrial) -> Trial:
    facts = stored.user_attrs
    return Trial(
        stored.number,
        Setting(facts["kind"], dict(stored.params)),
        None if facts["judgement"] is None else _from_json(facts["judgement"]),
        None if facts["first"] is None else _from_json(facts["first"]),
        facts["pruned"],
        facts["seconds"],
    )


def _to_json(judgement: Judgement) -> dict[str, Any]:
    # JSON has no NaN; figures that are undefined in some draw, or for some label, are stored as null.
    arrays = {
        name: [value if np.isfinite(value) else None for value in getattr(judgement, name).tolist()]
        for name in ("draws", "recalls")
    }
    return {**vars(judgement), **arrays}


def _from_json(body: dict[str, Any]) -> Judgement:
    # None becomes NaN.
    arrays = {name: np.array(body[name], dtype=np.float64) for name in ("draws", "recalls")}
    return Judgement(**{**body, **arrays})
