// A job that stays current: as listed, then each newer state from its own subscription. Reports each new status.
import { useEffect, useRef, useState } from "react";
import { useSubscription } from "urql";

import { FollowJobDocument, type JobSummaryFragment } from "../api/documents";

export function useJob(listed: JobSummaryFragment, onChange: (job: JobSummaryFragment) => void): JobSummaryFragment {
  // The list is refreshed again and again; the subscription stays.
  const [afterVersion] = useState(listed.version);
  const [{ data }] = useSubscription({
    query: FollowJobDocument,
    variables: { id: listed.id, afterVersion },
    pause: listed.isFinal,
  });
  const event = data?.jobUpdates;
  const job = event?.__typename === "JobUpdate" && event.job.version > listed.version ? event.job : listed;

  const status = useRef(job.status);
  useEffect(() => {
    if (job.status !== status.current) onChange(job);
    status.current = job.status;
  }, [job, onChange]);
  return job;
}
