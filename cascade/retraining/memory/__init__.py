"""Which rows have earlier models seen? Hashes, arrivals and the training record."""
