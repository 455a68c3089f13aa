"""How do networks run without Keras? Converted to exported runtimes, timed, opened at fixed batch sizes."""
