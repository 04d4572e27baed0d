"""Storage format in Redis/Valkey, shared by API and workers: keys, record fields, scripts, messages, connections."""
