"""What if labels are hundreds or thousands? One model without a gate; labels stay sparse from file to metric."""
