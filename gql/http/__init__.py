"""What GraphQL and REST share of HTTP, without routes: problem details, negotiation, ranges, compression."""
