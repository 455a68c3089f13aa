"""From log-odds to coherent probabilities: prior correction, calibration, merge, prior shift."""
