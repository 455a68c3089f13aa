"""Which rows is a model trained on, and how often? Samplers of row numbers, and the shift that each causes."""

from cascade.estimators.sampling.labelset import lp_ros, lp_rus
from cascade.estimators.sampling.labelwise import ml_ros, ml_rus
from cascade.estimators.sampling.mixing import MixedRows, mix_features, mlsmote
from cascade.estimators.sampling.options import SamplingOption, check_sampling, draw_rows
from cascade.estimators.sampling.pasting import PastedRows, draw_donors
from cascade.estimators.sampling.rarity import draw_rare, rarity_weights
from cascade.estimators.sampling.shift import class_ratios, draw_counts, resampling_shift

__all__ = [
    "MixedRows",
    "PastedRows",
    "SamplingOption",
    "check_sampling",
    "class_ratios",
    "draw_counts",
    "draw_donors",
    "draw_rare",
    "draw_rows",
    "lp_ros",
    "lp_rus",
    "mix_features",
    "ml_ros",
    "ml_rus",
    "mlsmote",
    "rarity_weights",
    "resampling_shift",
]
