-- A worker ends before its segments do: others get them at once, and no attempt is lost. What it still writes is refused.
-- A: worker, message. Returns how many they were.

local handed = 0
for _, who in ipairs(redis.call('ZRANGE', P .. 'leases', 0, -1)) do
  local id, index = string.sub(who, 1, 36), tonumber(string.sub(who, 38))
  local segment = load_segment(id, index)
  if segment.state == 'leased' and segment.worker == A.worker and redis.call('EXISTS', job_key(id)) == 1 then
    unlease(id, index, segment)
    send(id, index, segment)
    changed(id)
    handed = handed + 1
  end
end
return handed
