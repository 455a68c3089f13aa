"""The loader that MLflow calls for a registered cascade; `MLmodel` names it, so nothing is pickled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cascade.predictor import CascadePredictor
from cascade.serving.raw_rows import RawRows, texts_of

if TYPE_CHECKING:
    import pandas as pd


class Served:
    """A cascade that returns the columns of `cascade predict`.

    Parameters
    ----------
    predictor : CascadePredictor
    """

    def __init__(self, predictor: CascadePredictor) -> None:
        self.predictor = predictor
        # scikit-learn warns if an estimator was fitted on a data frame and predicts on an array, or the reverse.
        self.framed = hasattr(predictor.gate, "feature_names_in_")
        self.raw = RawRows(predictor) if predictor.signature.column_types is not None else None

    def predict(self, rows: Any) -> pd.DataFrame:
        """Examine rows.

        Parameters
        ----------
        rows : data frame or ndarray, n rows
            Columns of a data frame may be in any order, dates may be texts in the form of ISO 8601, and a text or
            category that is missing may be None or NaN.

        Returns
        -------
        DataFrame
            `gate_probability` (float), `passed_gate` (bool), and for each label `<label>_probability` (float)
            and `<label>` (0 or 1).
        """
        import pandas as pd

        prediction = self.predictor.examine(self._ordered(rows))
        columns: dict[str, Any] = {"gate_probability": prediction.gate_proba, "passed_gate": prediction.passed_gate}
        for k, name in enumerate(self.predictor.label_names):
            columns[f"{name}_probability"] = prediction.proba[:, k]
            # int64 is what an MLflow signature calls `long`; unsigned bytes have no type there.
            columns[name] = prediction.labels[:, k].astype("int64")
        return pd.DataFrame(columns)

    def _ordered(self, rows: Any) -> Any:
        # Clients may send columns in any order; estimators expect that of training.
        signature = self.predictor.signature
        names = signature.feature_names
        if not hasattr(rows, "columns"):
            return rows
        if self.raw is not None:
            return self.raw.frame(rows)
        if names is None:
            return rows if signature.row_shape is not None else texts_of(rows)
        chosen = rows[list(names)]
        return chosen if self.framed else chosen.to_numpy(dtype="float64")


def _load_pyfunc(data_path: str) -> Served:
    """Load the model folder that MLflow points to; MLflow prescribes the name of this function."""
    return Served(CascadePredictor.load(Path(data_path)))
