"""Built-in data of problem A: CT-like images of a head, drawn from the exact table of label combinations."""

from cascade.data.readers.rsna import LABELS
from cascade.datasets.phantom.masks import PhantomImages
from cascade.datasets.phantom.table import combination_counts
from cascade.datasets.phantom.writer import write_phantom

__all__ = ["LABELS", "PhantomImages", "combination_counts", "write_phantom"]
