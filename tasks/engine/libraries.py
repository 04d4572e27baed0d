"""Finds, loads and declares the C libraries libprimesieve and libprimecount. tasks.engine.primes calls them.

The wheel ships both as shared libraries next to its own extension module, which is neither needed nor imported. Each
library refers to its dependencies by a path relative to itself, so loading it by its full path is enough.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import re
import sys
from functools import cache

DISTRIBUTION = "passagemath-primesieve-primecount"
# Return values on failure; the libraries also print a line to stderr. Neither is a valid prime or count.
PRIMESIEVE_ERROR = 2**64 - 1
PRIMECOUNT_ERROR = -1
# The element type uint64_t, in the enum of primesieve.h. Argument of primesieve_generate_n_primes.
UINT64_PRIMES = 13


class EngineLoadError(ImportError):
    """A library is not installed for this platform, or does not load."""


@cache
def primesieve() -> ctypes.CDLL:
    """Returns libprimesieve with its C signatures. Loaded by the first call, in a worker after the fork."""
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
    """Returns libprimecount with its C signatures. Loaded by the first call, in a worker after the fork."""
    library = load("primecount")
    library.primecount_pi.argtypes = (ctypes.c_int64,)
    library.primecount_pi.restype = ctypes.c_int64
    library.primecount_nth_prime.argtypes = (ctypes.c_int64,)
    library.primecount_nth_prime.restype = ctypes.c_int64
    use_one_thread(library.primecount_set_num_threads)
    return library


def load(name: str) -> ctypes.CDLL:
    """Loads a library of the wheel.

    Args:
        name: the name without `lib`, such as `primesieve`.

    Raises:
        EngineLoadError: the library is not installed, or does not load.
    """
    path = find(name)
    try:
        return ctypes.CDLL(path)
    except OSError as error:
        raise EngineLoadError(f"lib{name} does not load from {path}: {error}") from error


def find(name: str) -> str:
    """Returns the full path of a library, in any folder of the wheel and with any hash or version in its file name.

    Linux wheels contain `<distribution>.libs/libprimesieve-<hash>.so.12.9.0`, macOS wheels
    `<package>/.dylibs/libprimesieve.12.dylib`.

    Raises:
        EngineLoadError: the wheel is not installed, or has no such library for this platform.
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
    """Limits a library to one thread: worker processes provide parallelism, and would compete with more threads."""
    set_num_threads.argtypes = (ctypes.c_int,)
    set_num_threads.restype = None
    set_num_threads(1)
