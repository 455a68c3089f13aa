"""In which order do commands run? One file per command, and the command line in front of them."""
