"""The product: jobs, their record, their queue, the workers and the engine. Has never heard of GraphQL or HTTP."""
