// What went wrong or is missing, in words, and what to do about it.
import type { JobDetailsFragment, JobFailureReason } from "../api/documents";
import { formatNumber } from "../format/numbers";
import { Link } from "../shell/Link";
import { href } from "../shell/route";

const ADVICE: Record<JobFailureReason, string> = {
  INTERNAL: "Retry it. If it fails again, give the operator the trace id below.",
  TIMEOUT: "Request fewer primes at a time, or ask the operator for a higher time limit.",
  WORKER_LOST: "Check that workers are running and have enough memory, then retry: what is computed is kept.",
  RESULT_STORE: "Check that the result store is reachable and has room, then retry: what is stored is kept.",
};

export function Outcome({ job }: { job: JobDetailsFragment }) {
  const { state, available } = job.result;
  const partial = state === "PARTIAL" ? `The first ${formatNumber(available)} primes can still be read.` : "";
  if (job.failure) {
    return (
      <section className="panel outcome failed" aria-label="Failure">
        <p>
          <strong>Failed:</strong> {job.failure.message}
        </p>
        <p>
          {ADVICE[job.failure.reason]} {partial}
        </p>
      </section>
    );
  }
  if (state === "EXPIRED") {
    return (
      <section className="panel outcome" aria-label="Result">
        <p>
          The primes of this job have expired.{" "}
          <Link href={href({ count: String(job.count), start: String(job.start) })}>Submit it again</Link> to compute them
          once more.
        </p>
      </section>
    );
  }
  if (job.status !== "CANCELLED") return null;
  return (
    <section className="panel outcome" aria-label="Result">
      <p>
        The job was cancelled. {partial || "No primes were computed."} Retry goes on from what is stored.
      </p>
    </section>
  );
}
