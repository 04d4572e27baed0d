"""Who may come in: API keys and tokens, and what becomes of connections whose caller may not stay.

`doorkeeper` decides, `keys` and `tokens` know what a caller can show, `entrance` stands before every HTTP door,
`address` before the start. WebSockets show what they have when they begin: gql.websocket.
"""
