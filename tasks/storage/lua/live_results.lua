-- Which of some folders of the result store are to be kept. A: folders. Returns those, in any order.
-- A folder is let go a minute late, since a retry may just have been given what was to be kept for a second more.

local kept = {}
redis.call('ZREMRANGEBYSCORE', P .. 'folders', '-inf', NOW - 3600000)
for _, folder in ipairs(A.folders) do
  local kept_until = redis.call('ZSCORE', P .. 'folders', folder)
  if kept_until and tonumber(kept_until) > NOW - 60000 then table.insert(kept, folder) end
end
return kept
