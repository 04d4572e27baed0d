-- Releases all segments of a worker that shuts down: others can claim them at once, no attempt is lost, and the
-- worker's later writes are refused. Arguments and reply: ReleaseSegments.

allow_out_of_memory()
local released = 0
for _, member in ipairs(redis.call('ZRANGE', PREFIX .. 'leases', 0, -1)) do
  local id, index = split_segment_member(member)
  local segment = load_segment(id, index)
  if segment.state == 'leased' and segment.worker == ARGS.worker and redis.call('EXISTS', job_key(id)) == 1 then
    release_lease(id, index, segment)
    send_segment(id, index, segment)
    publish_change(id)
    released = released + 1
  end
end
return { 'released', released }
