"""What MLflow loads a registered cascade with: rows in, one table out; named in `MLmodel`, so nothing is pickled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cascade.predictor import CascadePredictor

if TYPE_CHECKING:
    import pandas as pd


class Served:
    """A cascade that answers in the columns of `cascade predict`.

    Parameters
    ----------
    predictor : CascadePredictor
    """

    def __init__(self, predictor: CascadePredictor) -> None:
        self.predictor = predictor
        # Estimators that were fitted on a frame ask for one again; the others warn of one.
        self.framed = hasattr(predictor.gate, "feature_names_in_")

    def predict(self, rows: Any) -> pd.DataFrame:
        """Examine rows.

        Parameters
        ----------
        rows : data frame or ndarray, n rows
            Columns of a frame may stand in any order.

        Returns
        -------
        DataFrame
            `gate_probability` (float), `passed_gate` (bool), and for each label `<label>_probability` (float)
            and `<label>` (0 or 1).
        """
        import pandas as pd

        answer = self.predictor.examine(self._ordered(rows))
        columns: dict[str, Any] = {"gate_probability": answer.gate_proba, "passed_gate": answer.passed_gate}
        for k, label in enumerate(self.predictor.label_names):
            columns[f"{label}_probability"] = answer.proba[:, k]
            columns[label] = answer.labels[:, k].astype("int64")
        return pd.DataFrame(columns)

    def _ordered(self, rows: Any) -> Any:
        names = self.predictor.signature.feature_names
        if names is None or not hasattr(rows, "columns"):
            return rows
        chosen = rows[list(names)]
        return chosen if self.framed else chosen.to_numpy(dtype="float64")


def _load_pyfunc(data_path: str) -> Served:
    """Load the model folder that MLflow points to; the name is MLflow's."""
    return Served(CascadePredictor.load(Path(data_path)))
