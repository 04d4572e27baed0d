// Cancels or retries a job, and says what came of it. Used by the list of jobs and by the page of one job.
import { useEffect, useRef, type ReactNode } from "react";
import { useMutation } from "urql";

import { CancelJobDocument, RetryJobDocument, type JobSummaryFragment } from "../api/documents";
import { Link } from "../shell/Link";
import { href } from "../shell/route";

type Job = Pick<JobSummaryFragment, "id" | "status" | "isFinal" | "failure">;

export function JobActions({ job }: { job: Job }) {
  const [cancelled, cancel] = useMutation(CancelJobDocument);
  const [retried, retry] = useMutation(RetryJobDocument);
  const isBusy = cancelled.fetching || retried.fetching;
  const canRetry = job.status === "CANCELLED" || (job.status === "FAILED" && job.failure?.retryable === true);
  return (
    <div className="actions">
      {!job.isFinal && (
        <button type="button" disabled={isBusy} onClick={() => void cancel({ id: job.id })}>
          Cancel<span className="visually-hidden"> job {job.id}</span>
        </button>
      )}
      {canRetry && (
        <button type="button" disabled={isBusy} onClick={() => void retry({ id: job.id })}>
          Retry<span className="visually-hidden"> job {job.id}</span>
        </button>
      )}
      <Outcome>{retryOutcome(retried) ?? cancelOutcome(cancelled)}</Outcome>
    </div>
  );
}

function cancelOutcome({ data, error }: { data?: { cancelJob: Answer }; error?: Error }): ReactNode {
  if (error) return `Not cancelled: ${error.message}`;
  if (!data) return null;
  return data.cancelJob.__typename === "CancelJobAccepted" ? "Cancelled." : `Not cancelled: ${data.cancelJob.message}`;
}

function retryOutcome({ data, error }: { data?: { retryJob: Answer }; error?: Error }): ReactNode {
  if (error) return `Not retried: ${error.message}`;
  if (!data) return null;
  const { job, message } = data.retryJob;
  if (job === undefined) return `Not retried: ${message}`;
  return (
    <>
      Retried as <Link href={href({ job: job.id })}>a new job</Link>.
    </>
  );
}

interface Answer {
  __typename: string;
  message?: string;
  job?: { id: string };
}

// Takes the focus from a button that is gone, so that the keyboard stays where it was.
function Outcome({ children }: { children: ReactNode }) {
  const text = useRef<HTMLSpanElement>(null);
  const isPresent = children !== null;
  useEffect(() => {
    if (isPresent && document.activeElement === document.body) text.current?.focus();
  }, [isPresent]);
  return (
    <span ref={text} role="status" tabIndex={-1}>
      {children}
    </span>
  );
}
