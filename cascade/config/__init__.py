"""What does a run say? The schema of config files, and the estimators that are built from it."""
