"""What has a job done? Identity, journal, manifest and shards in its folder."""
