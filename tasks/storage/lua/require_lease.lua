-- Put in front of scripts by which a worker writes: refuses a worker that no longer holds the segment.
-- ARGS: job, index, token, operation (name of the script). Defines `segment` for the script that follows.
-- The token increases with every claim, so a worker that lost its segment to another is refused however late it writes.

local segment = load_segment(ARGS.job, ARGS.index)
if segment.state ~= 'leased' or segment.token ~= ARGS.token or get_field(ARGS.job, 'status') ~= 'RUNNING' then
  increment_counter('fenced', ARGS.operation)
  return false
end
