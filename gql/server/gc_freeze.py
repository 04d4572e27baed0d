"""Garbage collection of an API process: rare, and without the objects that exist when it starts to serve.

Modules, schema and routes are 135,000 objects that never become garbage. By default, the collector visits them again
and again, and stops all requests meanwhile.
"""

from __future__ import annotations

import gc

# Objects that one collection of the youngest generation visits, and collections until the next older generation is
# visited too. By default 700, 10 and 10, which is a collection every few requests. With 50,000, processes are larger.
_THRESHOLDS = (10_000, 10, 10)


def freeze() -> None:
    """Exclude all existing objects from garbage collection, and collect new ones less often. Call when started."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
