"""Which raw files have a known truth? Comments, machine readings and inspection images in the form that people have."""

from cascade.datasets.samples.writer import SAMPLES, write_sample

__all__ = ["SAMPLES", "write_sample"]
