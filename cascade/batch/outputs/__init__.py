"""Score chunks and write what a batch job returns."""
