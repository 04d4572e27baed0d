-- Reads a page of jobs, newest first. Arguments and reply: ListJobs.

remove_expired_jobs()

-- Ids begin with their creation time, so a bound in time is a bound in the order of ids. Times before 1970 or far in
-- the future are moved to the nearest time that an id can have.
local function id_prefix(ms) return time_prefix(math.max(0, math.min(ms, 2 ^ 47))) end

local low = ARGS.created_after_ms and '[' .. id_prefix(ARGS.created_after_ms + 1) or '-'
local high = ARGS.created_before_ms and '(' .. id_prefix(ARGS.created_before_ms) or '+'

-- The narrower bound of the filter's and the cursor's. Each is one character followed by an id.
local function higher_bound(a, b)
  if a == '-' then return b end
  return string.sub(a, 2) > string.sub(b, 2) and a or b
end
local function lower_bound(a, b)
  if a == '+' then return b end
  return string.sub(a, 2) < string.sub(b, 2) and a or b
end
local page_low = ARGS.newer_than and higher_bound(low, '(' .. ARGS.newer_than) or low
local page_high = ARGS.older_than and lower_bound(high, '(' .. ARGS.older_than) or high

local function count_between(from, to)
  local sum = 0
  for _, status in ipairs(ARGS.statuses) do
    sum = sum + redis.call('ZLEXCOUNT', status_key(status, CALLER), from, to)
  end
  return sum
end

-- A full page of each status, from the requested end; the first ids of all of them are the page.
local ids = {}
for _, status in ipairs(ARGS.statuses) do
  local found
  if ARGS.from_oldest then
    found = redis.call('ZRANGEBYLEX', status_key(status, CALLER), page_low, page_high, 'LIMIT', 0, ARGS.size)
  else
    found = redis.call('ZREVRANGEBYLEX', status_key(status, CALLER), page_high, page_low, 'LIMIT', 0, ARGS.size)
  end
  for _, id in ipairs(found) do ids[#ids + 1] = id end
end
table.sort(ids, function(a, b) if ARGS.from_oldest then return a < b end return a > b end)
for i = #ids, ARGS.size + 1, -1 do ids[i] = nil end
if ARGS.from_oldest then table.sort(ids, function(a, b) return a > b end) end

local snapshots = {}
for _, id in ipairs(ids) do
  local found = snapshot(id)
  if found then snapshots[#snapshots + 1] = found end
end

local newer, older
if #ids > 0 then
  newer, older = count_between('(' .. ids[1], high), count_between(low, '(' .. ids[#ids])
else
  -- An empty page: the jobs that the cursors excluded are before or after it.
  newer = ARGS.older_than and count_between(higher_bound(low, '[' .. ARGS.older_than), high) or 0
  older = ARGS.newer_than and count_between(low, lower_bound(high, '[' .. ARGS.newer_than)) or 0
end
return { 'total', count_between(low, high), 'newer', newer, 'older', older, 'jobs', snapshots }
