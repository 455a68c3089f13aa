"""How far new data may differ from the data that the champion was trained on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of the validation.

    Parameters
    ----------
    fewest_rows : float
        Rows that the data must have, as a share of the champion's.
    prevalence_told, prevalence_asked : float
        Factors by which a label's prevalence may differ before a warning, and before a person must confirm the
        promotion. The whole interval of the factor must be beyond.
    agreement : float
        Smallest share of the champion's former agreement with the labels, see
        `cascade.drift.agreement`. Data is refused if the whole interval is below.
    constant_rows : float
        Share of the images that may have one grey value only.
    unseen_told, unseen_asked : float
        Share of the rows, beyond the champion's, that may have a category or script which its data did not have, or
        an empty text, before a warning and before a person must confirm the promotion.
    """

    fewest_rows: float = 0.6
    prevalence_told: float = 1.25
    prevalence_asked: float = 2.0
    agreement: float = 0.75
    constant_rows: float = 0.0
    unseen_told: float = 0.01
    unseen_asked: float = 0.1
