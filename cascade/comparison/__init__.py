"""Compare the cascade with models without a gate on the same folds."""
