"""What has a job done? Its identity, journal, manifest and shards in the folder."""
