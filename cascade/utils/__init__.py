"""Which helpers do not depend on labels? Atomic files, locks, threads, log-odds, versions."""
