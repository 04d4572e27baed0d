// What became of the last submission. Spoken, because the form stays as it is.
import { formatNumber } from "../format/numbers";
import { RetryAfter } from "../shell/RetryAfter";
import { Link } from "../shell/Link";
import { href } from "../shell/route";
import type { Outcome } from "./useSubmit";

export function SubmitOutcome({ outcome }: { outcome: Outcome | null }) {
  return (
    <div role="status" className="outcome">
      {outcome !== null && <Sentence outcome={outcome} />}
    </div>
  );
}

function Sentence({ outcome }: { outcome: Outcome }) {
  switch (outcome.__typename) {
    case "GeneratePrimesAccepted": {
      const { id, count, start } = outcome.job;
      const link = <Link href={href({ job: id })}>{`${formatNumber(count)} primes from ${formatNumber(start)}`}</Link>;
      return outcome.outcome === "CREATED" ? (
        <p className="done">Submitted: {link}.</p>
      ) : (
        <p className="done">Already submitted: {link}. There is one job, not two.</p>
      );
    }
    case "ValidationError":
      return null;
    case "QueueFull":
    case "RateLimited":
    case "BackendUnavailable":
      return (
        <p className="problem">
          Not submitted: {outcome.message}. <RetryAfter at={outcome.receivedAt + outcome.retryAfterMs} />
        </p>
      );
    case "NoAnswer":
      return (
        <p className="problem">
          No answer from the server. You can submit again: this form makes one job, even if the first one arrived.
        </p>
      );
    default:
      return <p className="problem">Not submitted: {outcome.message}.</p>;
  }
}
