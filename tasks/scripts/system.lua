-- How full the system is and who works. A: worker_ttl_ms. Returns {now, queue statistics, workers with last sight}.

redis.call('ZREMRANGEBYSCORE', P .. 'workers', '-inf', NOW - A.worker_ttl_ms)
return { NOW, queue_stats(), redis.call('ZRANGE', P .. 'workers', 0, -1, 'WITHSCORES') }
