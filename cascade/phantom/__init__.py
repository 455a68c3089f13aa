"""Built-in data of problem A: CT-like images of a head, drawn from the exact table of label combinations."""

from cascade.data.rsna import LABELS
from cascade.phantom.masks import PhantomImages
from cascade.phantom.table import combination_counts
from cascade.phantom.writer import write_phantom

__all__ = ["LABELS", "PhantomImages", "combination_counts", "write_phantom"]
