"""Where are the shards of a job computed? In this process, in worker processes, or on Ray."""
