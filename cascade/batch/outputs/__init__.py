"""What does a job write? Predictions as tables, exams, and counts for drift monitoring."""
