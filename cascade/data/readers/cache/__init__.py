"""Which files were decoded before? Their pixels in a folder, for later epochs, stages and runs."""
