"""The prime engine: consecutive primes as numpy arrays, and the prime at which a segment starts. For workers only.

Knows nothing of jobs, queues or storage. libprimesieve and libprimecount compute. They are called with ctypes, which
releases the interpreter lock during a call: threads compute in parallel.
"""

from tasks.engine.libraries import EngineLoadError
from tasks.engine.primes import MAX_COUNT, MAX_PRIME, PrimeOutOfRangeError, primes_from, segment_start

__all__ = ["MAX_COUNT", "MAX_PRIME", "EngineLoadError", "PrimeOutOfRangeError", "primes_from", "segment_start"]
