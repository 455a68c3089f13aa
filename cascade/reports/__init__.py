"""How is a run reported? Metrics on held-out rows, as text and as one HTML page."""
