"""What can be fitted as gate or labeler, and how any estimator is scored."""
