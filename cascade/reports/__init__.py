"""How a run is evaluated and shown."""
