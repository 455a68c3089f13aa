"""Lay out the HTML report: sections, charts, numbers."""
