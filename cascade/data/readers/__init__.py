"""Read X, Y and groups from files."""
