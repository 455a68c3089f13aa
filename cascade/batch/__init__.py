"""Offline prediction over more rows than fit into memory: shard by shard, resumable, bad rows set aside."""
