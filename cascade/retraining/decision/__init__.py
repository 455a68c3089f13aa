"""May the challenger serve? Paired comparison, guards and policy."""
