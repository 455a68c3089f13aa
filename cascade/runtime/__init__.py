"""Networks that answer without Keras: converted to exported runtimes, timed, and opened at fixed batch sizes."""
