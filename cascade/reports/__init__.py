"""How is a run shown? Figures on held-out rows, as text and as one HTML page."""
