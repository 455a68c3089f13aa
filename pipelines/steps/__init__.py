"""What do commands share? Reading, fitting, scoring and publishing a run."""
