// A link to the trace of a job, if a linked service shows traces and responds.
import { traceUrl, useLinks } from "../shell/links";

export function TraceLink({ id }: { id: string }) {
  const reachable = useLinks().filter(({ isReachable }) => isReachable);
  const url = traceUrl(reachable, id);
  return url === undefined ? null : <a href={url}>Open trace</a>;
}
