"""What can be a gate or a labeler? Balanced models, networks, exported networks, and how an estimator is scored."""
