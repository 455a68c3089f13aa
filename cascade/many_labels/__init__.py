"""Hundreds to thousands of labels: sparse from file to loss, answer and metric; never an array of rows x labels."""
