"""The prime engine: consecutive primes as numpy arrays, and where a segment begins. Worker side only.

Knows nothing of jobs, queues or storage. The sieving and counting is done by libprimesieve and libprimecount,
reached through ctypes: their calls release the interpreter lock, so threads run side by side.
"""

from tasks.engine.libraries import EngineLoadError
from tasks.engine.primes import MAX_COUNT, MAX_PRIME, PrimeOutOfRangeError, primes_from, segment_start

__all__ = ["MAX_COUNT", "MAX_PRIME", "EngineLoadError", "PrimeOutOfRangeError", "primes_from", "segment_start"]
