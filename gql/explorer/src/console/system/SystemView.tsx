// The queue and the workers, live, with small charts of the last minutes.
import "./system.css";

import { formatNumber } from "../format/numbers";
import { formatDuration } from "../format/times";
import { Heading } from "../shell/Heading";
import type { SystemStats } from "./history";
import { Tile } from "./Tile";
import { useSystem } from "./useSystem";
import { Workers } from "./Workers";

const SECOND_MS = 1000;

const queued = ({ queue }: SystemStats): number => queue.queued;
const running = ({ queue }: SystemStats): number => queue.running;
const oldestWait = ({ queue }: SystemStats): number => queue.oldestQueuedMs ?? 0;
const subscribers = (stats: SystemStats): number => stats.subscribers;

export function SystemView() {
  const history = useSystem();
  const stats = history.at(-1);
  return (
    <>
      <Heading title="System" />
      {stats && (
        <>
          <div className="tiles">
            <Tile title="Queued" history={history} valueOf={queued} format={formatNumber} note={capacity(stats)} />
            <Tile title="Running" history={history} valueOf={running} format={formatNumber} note={processes(stats)} />
            <Tile
              title="Oldest wait"
              history={history}
              valueOf={oldestWait}
              format={formatDuration}
              least={SECOND_MS}
              note={wait(stats)}
            />
            <Tile
              title="Subscribers"
              history={history}
              valueOf={subscribers}
              format={formatNumber}
              note="open streams of this API process"
            />
          </div>
          <Workers stats={stats} />
        </>
      )}
    </>
  );
}

const capacity = ({ queue }: SystemStats): string => `of at most ${formatNumber(queue.capacity)} open jobs`;

function processes({ workers }: SystemStats): string {
  const count = workers.reduce((sum, { concurrency }) => sum + concurrency, 0);
  return `on ${formatNumber(count)} ${count === 1 ? "process" : "processes"} of workers`;
}

const wait = ({ queue: { estimatedWaitMs } }: SystemStats): string =>
  estimatedWaitMs === null ? "no estimate for a new job" : `about ${formatDuration(estimatedWaitMs)} for a new job`;
