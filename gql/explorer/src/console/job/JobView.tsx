// One job, live.
import { useSubscription } from "urql";

import { FollowJobDocument, type JobSummaryFragment } from "../api/documents";
import { formatNumber, formatRatio } from "../format/numbers";
import { formatTime } from "../format/times";
import { Heading } from "../shell/Heading";
import { Status } from "../jobs/Status";

export function JobView({ id }: { id: string }) {
  const [{ data, error }] = useSubscription({ query: FollowJobDocument, variables: { id } });
  const event = data?.jobUpdates;
  return (
    <>
      <Heading title="Job" />
      {error && <p role="alert">{error.message}</p>}
      {event?.__typename === "JobNotFound" && <p>No such job: it never existed, or it has expired.</p>}
      {event?.__typename === "JobUpdate" && <JobDetails job={event.job} />}
    </>
  );
}

function JobDetails({ job }: { job: JobSummaryFragment }) {
  return (
    <dl>
      <dt>Status</dt>
      <dd>
        <Status status={job.status} /> {formatRatio(job.progress.ratio)}
      </dd>
      <dt>Count</dt>
      <dd>{formatNumber(job.count)}</dd>
      <dt>Start</dt>
      <dd>{formatNumber(job.start)}</dd>
      <dt>Created</dt>
      <dd>{formatTime(job.createdAt)}</dd>
    </dl>
  );
}
