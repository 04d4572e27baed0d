// The list's filters and page in the address, and as variables of the query.
import type { JobFilter, JobsQueryVariables, JobStatus } from "../api/documents";

export const STATUSES: readonly JobStatus[] = ["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"];
export const OPEN: JobStatus[] = ["QUEUED", "RUNNING"];
const ENDED: JobStatus[] = ["SUCCEEDED", "FAILED", "CANCELLED"];

// A page follows each of its open jobs, and a connection has at most 100 operations.
export const PAGE_SIZE = 50;

const MINUTE_MS = 60_000;
export const PERIODS: Record<string, { name: string; minutes: number }> = {
  "10m": { name: "Last 10 minutes", minutes: 10 },
  "1h": { name: "Last hour", minutes: 60 },
  "1d": { name: "Last day", minutes: 24 * 60 },
};

export interface Filters {
  statuses: JobStatus[];
  // A key of PERIODS, or null: then the range.
  period: string | null;
  from: string | null;
  to: string | null;
  // Cursors: the page after or before it.
  after: string | null;
  before: string | null;
}

export function filtersOf(params: URLSearchParams): Filters {
  const statuses = params.get("status")?.split(",") ?? [];
  const period = params.get("period");
  return {
    statuses: STATUSES.filter((status) => statuses.includes(status)),
    period: period !== null && period in PERIODS ? period : null,
    from: timeOf(params.get("from")),
    to: timeOf(params.get("to")),
    after: params.get("after"),
    before: params.get("before"),
  };
}

// Parameters of the address. Other filters start at the first page.
export function parametersOf({ statuses, period, from, to, after, before }: Filters): Record<string, string | null> {
  return { status: statuses.join(","), period, from, to, after, before };
}

export const isFiltered = ({ statuses, period, from, to }: Filters): boolean =>
  statuses.length > 0 || period !== null || from !== null || to !== null;

export const isFirstPage = ({ after, before }: Filters): boolean => after === null && before === null;

// Without a filter by status, open jobs are first, and the pages are of those that have ended.
export function variablesOf(filters: Filters, now: number): JobsQueryVariables {
  const { statuses, after, before } = filters;
  const times = timesOf(filters, now);
  const size = before === null ? { first: PAGE_SIZE, after } : { last: PAGE_SIZE, before };
  return {
    open: PAGE_SIZE,
    hasOpen: statuses.length === 0 && isFirstPage(filters),
    openFilter: { statuses: OPEN, ...times },
    filter: { statuses: statuses.length === 0 ? ENDED : statuses, ...times },
    ...size,
  };
}

// To the minute: variables that change with each moment would be another query each time.
function timesOf({ period, from, to }: Filters, now: number): Pick<JobFilter, "createdAfter" | "createdBefore"> {
  if (period === null) return { createdAfter: from, createdBefore: to };
  const start = Math.floor(now / MINUTE_MS) * MINUTE_MS - (PERIODS[period]?.minutes ?? 0) * MINUTE_MS;
  return { createdAfter: new Date(start).toISOString(), createdBefore: null };
}

function timeOf(text: string | null): string | null {
  const time = text === null ? NaN : Date.parse(text);
  return Number.isNaN(time) ? null : new Date(time).toISOString();
}
