-- Snapshots of some jobs at one moment. A: jobs (ids). Returns one snapshot or nothing for each, in their order.

local found = {}
for i, id in ipairs(A.jobs) do found[i] = snapshot(id) end
return found
