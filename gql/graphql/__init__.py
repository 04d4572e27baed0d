"""The GraphQL endpoint on every transport: HTTP, WebSocket, Server-Sent Events and multipart."""
