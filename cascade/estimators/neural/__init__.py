"""What do Keras networks add? Classifiers, losses and samplers; the only package that trains with Keras."""

from cascade.estimators.neural.quiet import import_keras

import_keras()

from cascade.estimators.neural.classifier import KerasClassifier  # noqa: E402
from cascade.estimators.neural.defaults import suited_classifier  # noqa: E402

__all__ = ["KerasClassifier", "suited_classifier"]
