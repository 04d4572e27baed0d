"""Authentication: who the caller is, by API key or token, and for how long a session stays valid."""
