"""Expected failures as data, their codes, and the masking of unexpected ones."""
