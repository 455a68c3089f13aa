"""How are millions of rows predicted? Shard by shard into a folder, resumable, with invalid rows set apart."""
