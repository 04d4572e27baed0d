"""The API, workers and the command-line client as processes: how they start, what they print, how they end."""
