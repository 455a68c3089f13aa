"""What a run says: the schema of config files, and what is built from them."""
