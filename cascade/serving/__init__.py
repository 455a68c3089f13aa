"""Serve a cascade elsewhere: as one graph, or as an MLflow model."""
