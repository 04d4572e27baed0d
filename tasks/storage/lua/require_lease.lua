-- Does this claim still hold its segment? Put before the scripts by which a worker writes. A: job, index, token,
-- operation (the script's name).
-- The token rises with every claim, so whoever lost the segment to another is refused, however late it writes.

local segment = load_segment(A.job, A.index)
if segment.state ~= 'leased' or segment.token ~= A.token or get(A.job, 'status') ~= 'RUNNING' then
  count('fenced', A.operation)
  return false
end
