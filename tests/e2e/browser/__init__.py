"""The pages of the API in a real browser, and their screenshots."""
