"""Is a cascade better than a flat model? Contenders, the flat baseline and a verdict, on the same grouped folds."""
