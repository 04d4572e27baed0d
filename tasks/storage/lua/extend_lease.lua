-- Heartbeat: the worker is alive and still at it. A: lease_ms and those of require_lease.lua. Returns 1, or nothing when fenced.

redis.call('ZADD', P .. 'leases', NOW + A.lease_ms, member(A.job, A.index))
keep(P .. 'leases')
return 1
