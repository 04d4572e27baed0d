// The life of a job: accepted, queued, started, its attempts, and how it ended.
import type { ReactNode } from "react";

import type { JobDetailsFragment, JobStatus } from "../api/documents";
import { formatNumber } from "../format/numbers";
import { formatDuration, formatTime } from "../format/times";
import { Link } from "../shell/Link";
import { href } from "../shell/route";
import { useElapsed } from "./useElapsed";

const ENDINGS: Partial<Record<JobStatus, string>> = { SUCCEEDED: "Succeeded", FAILED: "Failed", CANCELLED: "Cancelled" };

export function Timeline({ job }: { job: JobDetailsFragment }) {
  const isStarted = job.startedAt !== null;
  const queuedMs = useElapsed(job.queuedMs, job.version, isStarted || job.isFinal) ?? 0;
  const runMs = useElapsed(job.runMs, job.version, job.isFinal);
  return (
    <section className="panel">
      <h2>Timeline</h2>
      <ol className="timeline">
        <Step name="Accepted" time={job.createdAt}>
          {job.retryOf && (
            <>
              Retry of <Link href={href({ job: job.retryOf.id })}>a {job.retryOf.status.toLowerCase()} job</Link>
            </>
          )}
        </Step>
        {!isStarted && !job.isFinal && (
          <Step name="Queued">
            for {formatDuration(queuedMs)}
            {job.queuePosition !== null && <>, {ahead(job.queuePosition)}</>}
          </Step>
        )}
        {job.startedAt && (
          <Step name="Started" time={job.startedAt}>
            after {formatDuration(queuedMs)} in the queue
          </Step>
        )}
        {job.attempt > 1 && (
          <Step name={`Attempt ${job.attempt} of ${job.maxAttempts}`}>a worker was lost, others took over its work</Step>
        )}
        {isStarted && !job.isFinal && runMs !== null && (
          <Step name={job.status === "QUEUED" ? "Queued again" : "Running"}>for {formatDuration(runMs)}</Step>
        )}
        {job.finishedAt && (
          <Step name={ENDINGS[job.status] ?? "Ended"} time={job.finishedAt}>
            {runMs === null ? "before it started" : `after ${formatDuration(runMs)}`}
          </Step>
        )}
      </ol>
    </section>
  );
}

function ahead(position: number): string {
  if (position === 0) return "next in the queue";
  return `about ${formatNumber(position)} ${position === 1 ? "job" : "jobs"} ahead`;
}

function Step({ name, time, children }: { name: string; time?: string; children?: ReactNode }) {
  return (
    <li>
      <strong>{name}</strong> {time && <time dateTime={time}>{formatTime(time)}</time>}{" "}
      <span className="faint">{children}</span>
    </li>
  );
}
