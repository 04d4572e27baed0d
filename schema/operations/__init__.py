"""Root types: queries, mutations and subscriptions. A resolver unpacks, calls the service once and wraps the reply."""
