-- Finds which results in the result store are still needed. Arguments and reply: LiveResults.
-- Files stay for a minute longer than recorded: a retry may just have inherited some with a second left.

local live = {}
redis.call('ZREMRANGEBYSCORE', PREFIX .. 'folders', '-inf', NOW - 3600000)
for _, result_id in ipairs(ARGS.result_ids) do
  local kept_until = redis.call('ZSCORE', PREFIX .. 'folders', result_id)
  if kept_until and tonumber(kept_until) > NOW - 60000 then table.insert(live, result_id) end
end
return { 'result_ids', live }
