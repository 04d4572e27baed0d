"""Results of any size: how primes are encoded, stored in segments, and read back page by page."""
