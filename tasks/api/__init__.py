"""The API half of tasks: asyncio. Reads and changes job records, follows events. Never imports tasks.worker."""
