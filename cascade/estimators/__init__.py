"""What can be a gate or a labeler? Balanced models, networks, losses, samplers, and how an estimator is scored."""
