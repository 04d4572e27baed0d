"""Types that operations return: jobs, results, pages of primes, scalars, enums and system figures."""
