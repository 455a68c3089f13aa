"""The order of the steps: phantom, train, predict, evaluate, and the command line in front of them."""
