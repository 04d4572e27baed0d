-- Snapshots of some jobs at one moment. A: jobs (ids), owner. Returns one snapshot or nothing for each, in their order:
-- what belongs to others is as if it were not there.

local found = {}
for i, id in ipairs(A.jobs) do found[i] = is_theirs(id) and snapshot(id) end
return found
