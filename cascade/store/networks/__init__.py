"""Which networks may a folder hold? Listed layers, listed operators, sizes that fit in memory."""
