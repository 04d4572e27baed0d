// The groups of the table: the jobs of the last answer, as they are now. A live update takes a job out of a group, or
// into the other one, before the list is read again, and so does the time.
import type { JobFilter, JobsQuery, JobsQueryVariables, JobSummaryFragment } from "../api/documents";
import { PAGE_SIZE } from "../filters/filters";

export interface Group {
  name: string;
  total: number;
  jobs: JobSummaryFragment[];
}

type Answer = Pick<JobsQuery["jobs"], "edges" | "totalCount">;
type Filter = JobsQueryVariables["filter"];

export function groupsOf(
  data: JobsQuery,
  changed: readonly JobSummaryFragment[],
  { hasOpen, openFilter, filter }: JobsQueryVariables,
): Group[] {
  const jobs = new Map([data.open, data.jobs].flatMap((answer) => answer?.edges ?? []).map(({ node }) => [node.id, node]));
  for (const job of changed) {
    const listed = jobs.get(job.id);
    if (listed !== undefined && job.version > listed.version) jobs.set(job.id, job);
  }
  // Ids begin with the time of creation.
  const newestFirst = [...jobs.values()].sort((one, other) => (one.id > other.id ? -1 : 1));

  function group(name: string, { totalCount, edges }: Answer, wanted: Filter): Group {
    const found = newestFirst.filter((job) => belongs(job, wanted));
    return { name, total: totalCount + found.length - edges.length, jobs: found.slice(0, PAGE_SIZE) };
  }
  const ended = group("Ended", data.jobs, filter);
  return hasOpen && data.open ? [group("Open", data.open, openFilter), ended] : [ended];
}

// As the server decides it.
function belongs({ status, createdAt }: JobSummaryFragment, filter: Filter): boolean {
  const { statuses, createdAfter, createdBefore }: Partial<JobFilter> = filter ?? {};
  const created = Date.parse(createdAt);
  return (
    (!statuses || statuses.includes(status)) &&
    (!createdAfter || created > Date.parse(createdAfter)) &&
    (!createdBefore || created < Date.parse(createdBefore))
  );
}
