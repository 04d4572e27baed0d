// The jobs, newest first.
import { useQuery } from "urql";

import { JobsDocument, type JobSummaryFragment } from "../api/documents";
import { formatNumber, formatRatio } from "../format/numbers";
import { formatAge, formatTime } from "../format/times";
import { useNow } from "../format/useNow";
import { Heading } from "../shell/Heading";
import { Link } from "../shell/Link";
import { href } from "../shell/route";
import { Status } from "./Status";
import { useJob } from "./useJob";

export function JobsView() {
  const [{ data, error }] = useQuery({ query: JobsDocument, variables: { first: 25 } });
  return (
    <>
      <Heading title="Jobs" />
      {error && <p role="alert">{error.message}</p>}
      {data?.jobs.totalCount === 0 && <p>No jobs yet.</p>}
      {data && data.jobs.totalCount > 0 && (
        <table>
          <thead>
            <tr>
              <th scope="col">Status</th>
              <th scope="col">Progress</th>
              <th scope="col">Count</th>
              <th scope="col">Start</th>
              <th scope="col">Created</th>
            </tr>
          </thead>
          <tbody>
            {data.jobs.edges.map(({ node }) => (
              <JobRow key={node.id} job={node} />
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

function JobRow({ job }: { job: JobSummaryFragment }) {
  const now = useNow();
  const { id, status, progress, count, start, createdAt } = useJob(job);
  return (
    <tr>
      <td>
        <Link href={href({ job: id })}>
          <Status status={status} />
        </Link>
      </td>
      <td className="number">{formatRatio(progress.ratio)}</td>
      <td className="number">{formatNumber(count)}</td>
      <td className="number">{formatNumber(start)}</td>
      <td title={formatTime(createdAt)}>{formatAge(createdAt, now)}</td>
    </tr>
  );
}
