// A job that stays current: its state from a query, then each newer one from its own subscription.
import { useSubscription } from "urql";

import { FollowJobDocument, type JobSummaryFragment } from "../api/documents";

export function useJob<T extends JobSummaryFragment>(job: T): T | (T & JobSummaryFragment) {
  const [{ data }] = useSubscription({
    query: FollowJobDocument,
    variables: { id: job.id, afterVersion: job.version },
    pause: job.isFinal,
  });
  const event = data?.jobUpdates;
  return event?.__typename === "JobUpdate" && event.job.version > job.version ? { ...job, ...event.job } : job;
}
