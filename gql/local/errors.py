"""The one expected failure of a local run."""


class CannotRun(Exception):
    """Why the system can't run, or can't run on. The message is one line: what is wrong, and how to mend it."""
