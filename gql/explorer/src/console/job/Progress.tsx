// How far the job is, and how long it will still take. Speaks once, when the job ends.
import { useState } from "react";

import type { JobSummaryFragment } from "../api/documents";
import { formatNumber } from "../format/numbers";
import { ProgressBar } from "../jobs/ProgressBar";

export function Progress({ job }: { job: JobSummaryFragment }) {
  const [wasOpen] = useState(!job.isFinal);
  return (
    <div className="job-progress">
      {job.status !== "SUCCEEDED" && (
        <>
          <ProgressBar job={job} />
          <p className="number faint">
            {formatNumber(job.progress.done)} of {formatNumber(job.progress.total)} primes
          </p>
        </>
      )}
      <p role="status" className="visually-hidden">
        {job.isFinal && wasOpen && `The job has ended: ${job.status.toLowerCase()}.`}
      </p>
    </div>
  );
}
