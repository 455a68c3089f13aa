"""May this data be used? Checks of rows, schema, labels, overlap and agreement."""
