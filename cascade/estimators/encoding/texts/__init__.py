"""How does a frozen encoder turn texts into numbers? By files that a user names, and a model folder then holds."""
