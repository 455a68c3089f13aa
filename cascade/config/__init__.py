"""What does a config contain? The schema of config files, and the estimators that are built from it."""
