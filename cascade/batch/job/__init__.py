"""What a batch job has done: journal, manifest, shards."""
