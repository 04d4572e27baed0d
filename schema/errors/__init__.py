"""Expected failures as data, error codes, and the masking of unexpected errors."""
