"""How two scores become probabilities and bits."""
