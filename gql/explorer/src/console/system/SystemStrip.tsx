// The state of the system in one line, above the list of jobs.
import { formatNumber } from "../format/numbers";
import { formatDuration } from "../format/times";
import { Link } from "../shell/Link";
import { href } from "../shell/route";
import type { SystemStats } from "./history";
import { useSystem } from "./useSystem";

export function SystemStrip() {
  const stats = useSystem().at(-1);
  return (
    <p className="strip">
      <Link href={href({ view: "system" })}>System</Link>
      {stats !== undefined && parts(stats).map((part) => <span key={part}>{part}</span>)}
    </p>
  );
}

function parts({ queue, workers }: SystemStats): string[] {
  const oldest = queue.oldestQueuedMs === null ? [] : [`oldest wait ${formatDuration(queue.oldestQueuedMs)}`];
  const count = workers.length === 0 ? "no worker is running" : `${formatNumber(workers.length)} ${plural(workers.length)}`;
  return [`${formatNumber(queue.queued)} queued`, `${formatNumber(queue.running)} running`, ...oldest, count];
}

const plural = (count: number): string => (count === 1 ? "worker" : "workers");
