"""What is invalid or risky in these labels? Checks before any training."""
