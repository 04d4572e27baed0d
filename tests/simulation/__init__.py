"""The job system under a deterministic simulation: real scripts on a real server, everything else from one seed."""
