"""How is a cascade fitted? Splits, pools, the gate threshold, and rules on held-out rows."""
