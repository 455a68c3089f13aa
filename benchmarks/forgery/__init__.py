"""Make model folders, and damage or forge them, with digests redone."""
