-- A worker says that it is consuming. A: worker (name and concurrency), worker_ttl_ms.

redis.call('ZADD', P .. 'workers', NOW, A.worker)
redis.call('PEXPIRE', P .. 'workers', A.worker_ttl_ms)
return 1
