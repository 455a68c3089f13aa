"""What do Keras networks add? A classifier and its losses; only this package trains with Keras."""

from cascade.estimators.neural.quiet import import_keras

# Before the modules below, which import Keras with its messages.
import_keras()

from cascade.estimators.neural.classifier import KerasClassifier  # noqa: E402

__all__ = ["KerasClassifier"]
