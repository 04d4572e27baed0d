-- Which of some folders of the result store are to be kept. A: folders. Returns those, in any order.
-- A folder is let go a minute late, since a retry may just have been given what was to be kept for a second more.

local kept = {}
redis.call('ZREMRANGEBYSCORE', P .. 'folders', '-inf', NOW - 3600000)
for _, result_id in ipairs(A.result_ids) do
  local kept_until = redis.call('ZSCORE', P .. 'folders', result_id)
  if kept_until and tonumber(kept_until) > NOW - 60000 then table.insert(kept, result_id) end
end
return kept
