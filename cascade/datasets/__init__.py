"""Which data has a known truth? Simulated rows, many labels, and the phantom."""
