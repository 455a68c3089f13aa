"""How do scores of gate and labeler become probabilities and bits? Prior correction, calibration, merge, thresholds."""
