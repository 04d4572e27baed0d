// The ends of a job's result, and what identifies it elsewhere.
import type { ReactNode } from "react";
import { useQuery } from "urql";

import { ResultEndsDocument, type JobDetailsFragment } from "../api/documents";
import { formatNumber } from "../format/numbers";
import { formatTime } from "../format/times";
import { CopyButton } from "../shell/CopyButton";
import { TraceLink } from "./TraceLink";

export function Facts({ job }: { job: JobDetailsFragment }) {
  const { first, last } = useEnds(job);
  const { expiresAt, sha256 } = job.result;
  return (
    <section className="panel">
      <h2>Result</h2>
      <dl className="facts">
        <Fact name="First prime">{first === null ? "not yet" : formatNumber(first)}</Fact>
        <Fact name="Last prime">{last === null ? "not yet" : formatNumber(last)}</Fact>
        {expiresAt && <Fact name="Kept until">{formatTime(expiresAt)}</Fact>}
        {sha256 && <Code name="Digest" value={sha256} />}
        <Code name="Job id" value={job.id} />
        {job.idempotencyKey && <Code name="Idempotency key" value={job.idempotencyKey} />}
        {job.traceId && (
          <Code name="Trace id" value={job.traceId}>
            <TraceLink id={job.traceId} />
          </Code>
        )}
      </dl>
    </section>
  );
}

// The ends of a complete result are known. Those of a partial one are read: the first as soon as there is one, the last
// when no more will come.
function useEnds({ id, isFinal, result }: JobDetailsFragment): { first: number | null; last: number | null } {
  const [{ data }] = useQuery({
    query: ResultEndsDocument,
    variables: { id, last: isFinal ? result.available - 1 : 0 },
    pause: result.state !== "PARTIAL",
  });
  if (result.state !== "PARTIAL") return result;
  const ends = data?.job?.result;
  return { first: ends?.first ?? null, last: isFinal ? (ends?.last ?? null) : null };
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

function Code({ name, value, children }: { name: string; value: string; children?: ReactNode }) {
  return (
    <Fact name={name}>
      <code>{value}</code> <CopyButton text={value} label={name.toLowerCase()} /> {children}
    </Fact>
  );
}
