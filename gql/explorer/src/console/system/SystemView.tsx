// The queue and the workers, live.
import { useSubscription } from "urql";

import { SystemDocument } from "../api/documents";
import { formatNumber } from "../format/numbers";
import { Heading } from "../shell/Heading";

const INTERVAL_MS = 1000;

export function SystemView() {
  const [{ data }] = useSubscription({ query: SystemDocument, variables: { intervalMs: INTERVAL_MS } });
  const stats = data?.systemStats;
  return (
    <>
      <Heading title="System" />
      {stats && (
        <dl>
          <dt>Queued</dt>
          <dd>{formatNumber(stats.queue.queued)}</dd>
          <dt>Running</dt>
          <dd>{formatNumber(stats.queue.running)}</dd>
          <dt>Workers</dt>
          <dd>{formatNumber(stats.workers.length)}</dd>
          <dt>Subscribers</dt>
          <dd>{formatNumber(stats.subscribers)}</dd>
        </dl>
      )}
    </>
  );
}
