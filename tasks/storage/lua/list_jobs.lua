-- A page of jobs, newest first. A: owner, statuses, size, from_oldest, and where they are given older_than, newer_than (ids),
-- created_after_ms, created_before_ms. Returns {total admitted, newer than the page, older than it, snapshots}.

prune()

-- Ids begin with their moment of creation, so a bound in time is a bound in the order of ids. What a moment before 1970
-- or far in the future stands for is the nearest moment that an id can have.
local function stamp(ms)
  local hex = string.format('%012x', math.max(0, math.min(ms, 2 ^ 47)))
  return string.sub(hex, 1, 8) .. '-' .. string.sub(hex, 9)
end

local low = A.created_after_ms and '[' .. stamp(A.created_after_ms + 1) or '-'
local high = A.created_before_ms and '(' .. stamp(A.created_before_ms) or '+'

-- The narrower of a filter's bound and a cursor's; both bounds are written as an id after one character.
local function above(a, b)
  if a == '-' then return b end
  return string.sub(a, 2) > string.sub(b, 2) and a or b
end
local function below(a, b)
  if a == '+' then return b end
  return string.sub(a, 2) < string.sub(b, 2) and a or b
end
local page_low = A.newer_than and above(low, '(' .. A.newer_than) or low
local page_high = A.older_than and below(high, '(' .. A.older_than) or high

local function count(from, to)
  local sum = 0
  for _, status in ipairs(A.statuses) do sum = sum + redis.call('ZLEXCOUNT', index_key(status, ASKS), from, to) end
  return sum
end

-- Enough of each status from the wanted end; the best of them all are the page.
local ids = {}
for _, status in ipairs(A.statuses) do
  local found
  if A.from_oldest then
    found = redis.call('ZRANGEBYLEX', index_key(status, ASKS), page_low, page_high, 'LIMIT', 0, A.size)
  else
    found = redis.call('ZREVRANGEBYLEX', index_key(status, ASKS), page_high, page_low, 'LIMIT', 0, A.size)
  end
  for _, id in ipairs(found) do ids[#ids + 1] = id end
end
table.sort(ids, function(a, b) if A.from_oldest then return a < b end return a > b end)
for i = #ids, A.size + 1, -1 do ids[i] = nil end
if A.from_oldest then table.sort(ids, function(a, b) return a > b end) end

local snapshots = {}
for _, id in ipairs(ids) do
  local found = snapshot(id)
  if found then snapshots[#snapshots + 1] = found end
end

local newer, older
if #ids > 0 then
  newer, older = count('(' .. ids[1], high), count(low, '(' .. ids[#ids])
else
  -- An empty page still has neighbours: what the cursors left out.
  newer = A.older_than and count(above(low, '[' .. A.older_than), high) or 0
  older = A.newer_than and count(low, below(high, '[' .. A.newer_than)) or 0
end
return { count(low, high), newer, older, snapshots }
