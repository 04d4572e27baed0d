"""Command-line client: submits a job, follows it, downloads its primes.

    python -m gql.client 1000000 --output primes.parquet
    python -m gql.client 1000000 | tail -n 1

It uses the public API only, so it works against any server. Broken
connections are resumed: the submission carries an idempotency key, the subscription continues after the last version
received, and the download continues after the last byte.
"""
