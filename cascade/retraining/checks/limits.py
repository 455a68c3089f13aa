"""How far new data may lie from what the champion was trained on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of the validation.

    Parameters
    ----------
    fewest_rows : float
        Rows that there must be, as a share of the champion's.
    prevalence_told, prevalence_asked : float
        Factor by which a label's prevalence may differ before it is told, or a person is asked; the whole interval
        of the factor must lie beyond.
    agreement : float
        Share of the champion's former agreement with the labels that must be left, see
        `cascade.retraining.memory.agreement_figures`; a refusal needs the whole interval below.
    constant_rows : float
        Share of the images that may be of one grey value.
    """

    fewest_rows: float = 0.6
    prevalence_told: float = 1.25
    prevalence_asked: float = 2.0
    agreement: float = 0.75
    constant_rows: float = 0.0
