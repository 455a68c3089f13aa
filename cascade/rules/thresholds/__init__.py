"""How do probabilities become bits? Decision thresholds, joint decisions, triage, certificates."""
