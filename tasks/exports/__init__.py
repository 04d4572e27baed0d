"""Finished results as downloadable files: Parquet, CSV and newline-delimited JSON."""
