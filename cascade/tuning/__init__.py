"""Which cascade pays? A resumable search over settings, its curve of quality against cost, and the choice on it."""
