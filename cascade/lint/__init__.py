"""Check labels before training."""
