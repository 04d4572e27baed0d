-- Reads several jobs at one moment. Arguments and reply: GetJobs.

local found = {}
for i, id in ipairs(ARGS.jobs) do found[i] = is_owned_by_caller(id) and snapshot(id) end
return { 'jobs', found }
