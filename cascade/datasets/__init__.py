"""Data sets whose truth is known."""
