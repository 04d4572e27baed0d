// A job that stays current: as listed, then each newer state from its own subscription.
import { useEffect, useRef, useState } from "react";
import { useSubscription } from "urql";

import { FollowJobDocument, type JobSummaryFragment } from "../api/documents";

export function useJob(listed: JobSummaryFragment, onEnd: (job: JobSummaryFragment) => void): JobSummaryFragment {
  // The list is refreshed again and again; the subscription stays.
  const [afterVersion] = useState(listed.version);
  const [{ data }] = useSubscription({
    query: FollowJobDocument,
    variables: { id: listed.id, afterVersion },
    pause: listed.isFinal,
  });
  const event = data?.jobUpdates;
  const job = event?.__typename === "JobUpdate" && event.job.version > listed.version ? event.job : listed;

  const wasFinal = useRef(job.isFinal);
  useEffect(() => {
    if (job.isFinal && !wasFinal.current) onEnd(job);
    wasFinal.current = job.isFinal;
  }, [job, onEnd]);
  return job;
}
