"""Load tests: clients of the running system, over the network only."""
