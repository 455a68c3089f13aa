"""How is a cascade served elsewhere? As one graph for a model server, or as an MLflow pyfunc."""
