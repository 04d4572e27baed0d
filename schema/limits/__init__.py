"""How large an operation may be: its document, its variables, its cost, its time and its caller's open streams."""
