// Cancels a job, or submits it again, and says in words what that did.
import { useMutation } from "urql";

import {
  CancelJobDocument,
  RetryJobDocument,
  type CancelJobMutation,
  type JobSummaryFragment,
  type RetryJobMutation,
} from "../api/documents";
import { formatNumber } from "../format/numbers";
import { STATUS_NAMES } from "./Status";

export interface Notice {
  text: string;
  isProblem: boolean;
  // The job that it is about.
  jobId?: string;
  retryAt?: number;
}
export type Report = (notice: Notice) => void;

const NO_ANSWER: Notice = { text: "No answer from the server. Try again.", isProblem: true };

export function useJobAction({ id, isFinal }: JobSummaryFragment, report: Report) {
  const [{ fetching: isCancelling }, cancel] = useMutation(CancelJobDocument);
  const [{ fetching: isRetrying }, retry] = useMutation(RetryJobDocument);
  async function act() {
    if (isFinal) {
      const { data } = await retry({ id });
      report(data ? ofRetry(data.retryJob) : NO_ANSWER);
    } else {
      const { data } = await cancel({ id });
      report(data ? ofCancel(data.cancelJob) : NO_ANSWER);
    }
  }
  return { act, isBusy: isCancelling || isRetrying };
}

function ofCancel(result: CancelJobMutation["cancelJob"]): Notice {
  switch (result.__typename) {
    case "CancelJobAccepted": {
      const { id, progress } = result.job;
      const kept = progress.done > 0 ? `; ${formatNumber(progress.done)} primes are kept` : "";
      return { text: `Cancelled${kept}.`, isProblem: false, jobId: id };
    }
    case "JobAlreadyFinished": {
      const { id, status } = result.job;
      const text = `Not cancelled: it had ended before (${STATUS_NAMES[status].toLowerCase()}).`;
      return { text, isProblem: true, jobId: id };
    }
    default:
      return failed("Not cancelled", result);
  }
}

function ofRetry(result: RetryJobMutation["retryJob"]): Notice {
  if (result.__typename !== "RetryJobAccepted") return failed("Not submitted again", result);
  const { id, progress } = result.job;
  const kept = progress.done > 0 ? `; ${formatNumber(progress.done)} primes are not computed again` : "";
  return { text: `Submitted again as a new job${kept}.`, isProblem: false, jobId: id };
}

function failed(what: string, { message, retryAfterMs }: { message: string; retryAfterMs?: number }): Notice {
  const retryAt = retryAfterMs === undefined ? undefined : Date.now() + retryAfterMs;
  return { text: `${what}: ${message}.`, isProblem: true, retryAt };
}
