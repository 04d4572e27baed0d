"""Finding, loading and declaring the two C libraries. What is asked of them belongs to primes.

The wheel brings both as shared libraries beside its own extension module, which is neither needed nor imported.
Each library names its own dependencies relative to itself, so loading by full path is enough.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import re
import sys
from functools import cache

DISTRIBUTION = "passagemath-primesieve-primecount"
# Both return these on failure, after a line on standard error. Neither is a prime or a count.
PRIMESIEVE_ERROR = 2**64 - 1
PRIMECOUNT_ERROR = -1
# Position of UINT64_PRIMES in the C enumeration of element types.
UINT64_PRIMES = 13


class EngineLoadError(ImportError):
    """The libraries are not installed for this platform, or do not load."""


@cache
def primesieve() -> ctypes.CDLL:
    """The loaded libprimesieve with its signatures declared; made at the first call, so after a worker's fork."""
    library = load("primesieve")
    library.primesieve_generate_n_primes.argtypes = (ctypes.c_uint64, ctypes.c_uint64, ctypes.c_int)
    library.primesieve_generate_n_primes.restype = ctypes.c_void_p
    library.primesieve_free.argtypes = (ctypes.c_void_p,)
    library.primesieve_free.restype = None
    library.primesieve_nth_prime.argtypes = (ctypes.c_int64, ctypes.c_uint64)
    library.primesieve_nth_prime.restype = ctypes.c_uint64
    use_one_thread(library.primesieve_set_num_threads)
    return library


@cache
def primecount() -> ctypes.CDLL:
    """The loaded libprimecount with its signatures declared; made at the first call, so after a worker's fork."""
    library = load("primecount")
    library.primecount_pi.argtypes = (ctypes.c_int64,)
    library.primecount_pi.restype = ctypes.c_int64
    library.primecount_nth_prime.argtypes = (ctypes.c_int64,)
    library.primecount_nth_prime.restype = ctypes.c_int64
    use_one_thread(library.primecount_set_num_threads)
    return library


def load(name: str) -> ctypes.CDLL:
    """Load one library of the wheel by its plain name, such as `primesieve`."""
    path = find(name)
    try:
        return ctypes.CDLL(path)
    except OSError as error:
        raise EngineLoadError(f"lib{name} does not load from {path}: {error}") from error


def find(name: str) -> str:
    """The full path of a library, whatever hash or version its file name carries and folder it is in.

    Linux wheels have `<distribution>.libs/libprimesieve-<hash>.so.12.9.0`, those of macOS
    `<package>/.dylibs/libprimesieve.12.dylib`.
    """
    try:
        files = importlib.metadata.files(DISTRIBUTION) or ()
    except importlib.metadata.PackageNotFoundError as error:
        raise EngineLoadError(f"{DISTRIBUTION} is not installed") from error
    file_name = re.compile(rf"lib{name}\b.*\.(so|dylib)\b.*")
    for file in files:
        if file_name.fullmatch(file.name):
            return str(file.locate())
    raise EngineLoadError(f"{DISTRIBUTION} has no lib{name} for {sys.platform}")


def use_one_thread(set_num_threads: ctypes._NamedFuncPointer) -> None:
    """Leave parallelism to the worker processes: more threads here would compete with them for the same cores."""
    set_num_threads.argtypes = (ctypes.c_int,)
    set_num_threads.restype = None
    set_num_threads(1)
