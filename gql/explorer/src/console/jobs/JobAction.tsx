// What can be done with a job: cancel it while it is open, submit it again if it failed or was cancelled.
import type { MouseEvent } from "react";

import type { JobSummaryFragment } from "../api/documents";
import { shortId } from "../format/ids";
import { useJobAction, type Report } from "./useJobAction";

export function JobAction({ job, onReport }: { job: JobSummaryFragment; onReport: Report }) {
  const { act, isBusy } = useJobAction(job, onReport);
  const canRetry = job.status === "CANCELLED" || (job.status === "FAILED" && job.failure?.retryable === true);
  if (job.isFinal && !canRetry) return null;
  // The second click of a double click on Cancel is not meant for Retry.
  const click = ({ detail }: MouseEvent) => isBusy || detail > 1 || void act();
  // A disabled button would lose the focus.
  return (
    <button type="button" className="small" aria-disabled={isBusy} onClick={click}>
      {job.isFinal ? "Retry" : "Cancel"}
      <span className="visually-hidden"> job {shortId(job.id)}</span>
    </button>
  );
}
