"""From probabilities to bits: decision thresholds, joint decisions, triage, certificates."""
