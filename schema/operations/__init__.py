"""Root types: queries, mutations and subscriptions. A resolver calls the service once."""
