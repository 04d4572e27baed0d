"""The domain: jobs, their records and queues, the workers and the prime engine. Knows neither GraphQL nor HTTP."""

from observability import environment

environment.prepare()
