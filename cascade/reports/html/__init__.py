"""How is a run rendered as one HTML file? Content as plain data first, then its layout."""

from __future__ import annotations

from cascade.reports.html.content.comparison import comparison_data
from cascade.reports.html.content.many_labels import many_labels_data
from cascade.reports.html.content.training import training_data
from cascade.reports.html.content.tuning import tuning_data
from cascade.reports.html.layout.page import page

__all__ = ["comparison_data", "many_labels_data", "page", "training_data", "tuning_data"]
