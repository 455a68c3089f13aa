"""Which images have a known truth? CT-like slices drawn from the exact label table of problem A."""

from cascade.data.readers.rsna import LABELS
from cascade.datasets.phantom.masks import PhantomImages
from cascade.datasets.phantom.table import combination_counts
from cascade.datasets.phantom.writer import write_phantom

__all__ = ["LABELS", "PhantomImages", "combination_counts", "write_phantom"]
