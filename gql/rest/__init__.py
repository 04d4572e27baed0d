"""REST endpoints: jobs for clients of the earlier API, downloads, health."""
