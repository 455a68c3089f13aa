"""Where the shards of a job are made: in this process, in workers, on Ray."""
