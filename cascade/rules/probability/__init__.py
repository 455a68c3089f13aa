"""How do log-odds become coherent probabilities? Prior correction, calibration, merge, prior shift."""
