"""Keras networks behind scikit-learn's protocol; the only part of the house that imports Keras."""

from cascade.neural.classifier import KerasClassifier
from cascade.neural.defaults import suited_classifier

__all__ = ["KerasClassifier", "suited_classifier"]
