"""A run as one HTML file that needs nothing else: data computed once as plain numbers, then laid out."""

from __future__ import annotations

from cascade.html_report.comparison import comparison_data
from cascade.html_report.flat import flat_data
from cascade.html_report.page import page
from cascade.html_report.training import training_data

__all__ = ["comparison_data", "flat_data", "page", "training_data"]
