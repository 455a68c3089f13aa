"""What is remembered of the rows that earlier models have seen."""
