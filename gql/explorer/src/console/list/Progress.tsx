// How far a job is: a bar while it runs, else a few words.
import type { JobSummaryFragment } from "../api/documents";
import { formatNumber, formatRatio } from "../format/numbers";
import { ProgressBar } from "../jobs/ProgressBar";

const REASONS = {
  INTERNAL: "unexpected error",
  TIMEOUT: "time limit exceeded",
  WORKER_LOST: "workers were lost",
  RESULT_STORE: "result could not be stored",
} as const;

export function Progress({ job }: { job: JobSummaryFragment }) {
  if (job.status === "RUNNING") return <ProgressBar job={job} />;
  const text = words(job);
  return text === "" ? null : (
    <span className="faint" title={job.failure?.message}>
      {text}
    </span>
  );
}

function words({ status, progress, queuePosition, failure }: JobSummaryFragment): string {
  const reached = progress.done > 0 ? `at ${formatRatio(progress.ratio)}` : "";
  if (status === "QUEUED" && queuePosition !== null) {
    return queuePosition === 0 ? "next" : `${formatNumber(queuePosition)} ahead`;
  }
  if (status === "FAILED" && failure !== null) return [REASONS[failure.reason], reached].filter(Boolean).join(" ");
  return status === "CANCELLED" ? reached : "";
}
