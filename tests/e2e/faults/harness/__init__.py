"""A system whose processes can be killed, the users that put it under load, and the invariants that must hold."""
