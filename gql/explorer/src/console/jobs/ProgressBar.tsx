// How much of a job is done, and about how long the rest takes.
import "./jobs.css";

import type { JobSummaryFragment } from "../api/documents";
import { formatNumber, formatRatio } from "../format/numbers";
import { formatEstimate } from "../format/times";

export function ProgressBar({ job }: { job: Pick<JobSummaryFragment, "progress"> }) {
  const { done, total, ratio, etaMs } = job.progress;
  return (
    <span className="progress" title={`${formatNumber(done)} of ${formatNumber(total)}`}>
      <progress value={ratio} aria-label="Progress" />
      <span className="number">{formatRatio(ratio)}</span>
      <span className="number faint eta">{etaMs !== null && `${formatEstimate(etaMs)} left`}</span>
    </span>
  );
}
