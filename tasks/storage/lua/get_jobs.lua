-- Reads several jobs at one moment. ARGS: jobs (ids), owner.
-- Returns a snapshot per id, in order; false for unknown ids and for jobs of other owners.

local found = {}
for i, id in ipairs(ARGS.jobs) do found[i] = is_owned_by_caller(id) and snapshot(id) end
return found
