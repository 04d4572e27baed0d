"""The server excludes what exists at its start from garbage collection, and collects the rest less often."""

from __future__ import annotations

import subprocess
import sys

from tests.programs import ROOT

PROGRAM = """
import asyncio, gc, socket
from uvicorn import Config
from gql.server.shutdown import DrainingServer

async def main():
    config = Config(lambda scope: None, lifespan="off", interface="asgi2")
    config.load()
    server = DrainingServer(config)
    server.lifespan = config.lifespan_class(config)
    before = gc.get_freeze_count()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        await server.startup([listener])
        print(server.started, before, gc.get_freeze_count() > 10_000, *gc.get_threshold())
        for listening in server.servers:
            listening.close()

asyncio.run(main())
"""


def test_objects_that_exist_at_the_start_are_not_collected_again() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "0", "True", "10000", "10", "10"], done.stderr
