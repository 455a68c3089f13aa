"""Which data has a known truth? Simulated rows, many labels, raw samples, and the phantom."""
