"""Load tests. They reach the system over the network only and import nothing else of this project."""
