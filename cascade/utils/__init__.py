"""What knows nothing about labels? Atomic files, locks, threads, log-odds, versions."""
