"""What is needed everywhere and knows nothing about labels: files, threads, numbers."""
