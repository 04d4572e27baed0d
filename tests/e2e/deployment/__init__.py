"""docker-compose.yml and deploy/: published schemas, and the failover of the store."""
