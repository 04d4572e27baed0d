// A job's status as a word with a colour.
import type { JobStatus } from "../api/documents";

export const STATUS_NAMES: Record<JobStatus, string> = {
  QUEUED: "Queued",
  RUNNING: "Running",
  SUCCEEDED: "Succeeded",
  FAILED: "Failed",
  CANCELLED: "Cancelled",
};

export function Status({ status }: { status: JobStatus }) {
  return <span className={`status ${status.toLowerCase()}`}>{STATUS_NAMES[status]}</span>;
}
