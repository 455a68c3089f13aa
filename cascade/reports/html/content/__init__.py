"""Collect what the HTML report shows, as plain data."""
