// Speaks the ends of the jobs on the page: those of a few seconds together, so that many do not chatter.
import { useCallback, useRef, useState } from "react";

import type { JobStatus, JobSummaryFragment } from "../api/documents";
import { shortId } from "../format/ids";
import { STATUS_NAMES } from "../jobs/Status";

const COLLECT_MS = 2000;

export function useEnds() {
  const [text, setText] = useState("");
  const ended = useRef<JobSummaryFragment[]>([]);
  const add = useCallback((job: JobSummaryFragment) => {
    if (ended.current.push(job) > 1) return;
    setTimeout(() => setText(describe(ended.current.splice(0))), COLLECT_MS);
  }, []);
  return { text, add };
}

export function Ends({ text }: { text: string }) {
  return (
    <p aria-live="polite" className="visually-hidden">
      {text}
    </p>
  );
}

function describe(jobs: JobSummaryFragment[]): string {
  const [first] = jobs;
  if (first && jobs.length === 1) return `Job ${shortId(first.id)}: ${STATUS_NAMES[first.status].toLowerCase()}.`;
  const counts = new Map<JobStatus, number>();
  for (const { status } of jobs) counts.set(status, (counts.get(status) ?? 0) + 1);
  const parts = [...counts].map(([status, count]) => `${count} ${STATUS_NAMES[status].toLowerCase()}`);
  return `${jobs.length} jobs ended: ${parts.join(", ")}.`;
}
