"""What can be a gate or a labeler? Balanced bags, networks, losses, samplers, and how any estimator is scored."""
