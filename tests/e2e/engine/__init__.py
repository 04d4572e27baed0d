"""docker-compose.yml on a real Docker engine: `docker compose up --build`, and what users do next.

The tests start a separate engine and remove it afterwards. As they can't pull images, they make the base images on
the spot: Debian with Python, Node and Valkey, under the names that the files ask for.
"""
