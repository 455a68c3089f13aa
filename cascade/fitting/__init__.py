"""How a cascade is fitted: splits, pools, gate threshold, rules."""
