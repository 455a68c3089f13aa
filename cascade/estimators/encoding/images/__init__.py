"""How does a frozen encoder turn images into numbers? By a network in a file, and a model folder then holds it."""
