"""The one expected failure of a local run."""


class LocalRunError(Exception):
    """The system cannot start or continue. The message is one line: what is wrong and how to fix it."""
