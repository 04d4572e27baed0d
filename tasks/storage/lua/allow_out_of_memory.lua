-- Put in front of workers' scripts. A server at maxmemory refuses a script whose first write needs memory, and lets a
-- script continue that has written already. Renewing a time-to-live needs none. So new jobs are refused, while accepted
-- jobs can still end, which frees memory.

renew_ttl(PREFIX .. 'leases')
