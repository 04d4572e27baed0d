-- Put before the scripts of workers. A server that is out of memory refuses a script whose first write takes some, and
-- lets go on what has written already; to renew a time to live takes none. So new jobs are refused, which leaves memory
-- to those that were accepted: they still end, and by that give it back.

keep(P .. 'leases')
