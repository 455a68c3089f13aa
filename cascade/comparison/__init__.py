"""Is the cascade worth it? Contenders, the flat baseline and a verdict, on the same grouped folds."""
