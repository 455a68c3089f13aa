"""How do two scores become probabilities and bits? Prior correction, calibration, merge, thresholds."""
