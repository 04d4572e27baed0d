// One job, which follows its own updates. Explicit roles: see JobTable.
import { memo } from "react";

import { JobAction } from "../jobs/JobAction";
import type { Report } from "../jobs/useJobAction";
import type { JobSummaryFragment } from "../api/documents";
import { shortId } from "../format/ids";
import { formatNumber } from "../format/numbers";
import { formatAge, formatDuration, formatTime } from "../format/times";
import { useNow } from "../format/useNow";
import { Link } from "../shell/Link";
import { href } from "../shell/route";
import { Progress } from "./Progress";
import { Status } from "../jobs/Status";
import { useJob } from "../jobs/useJob";

interface Props {
  job: JobSummaryFragment;
  onReport: Report;
  onChange: (job: JobSummaryFragment) => void;
}

// Only those that change are drawn again.
export const JobRow = memo(function JobRow({ job: listed, onReport, onChange }: Props) {
  const job = useJob(listed, onChange);
  const { id, status, count, start, createdAt, runMs, attempt, maxAttempts } = job;
  return (
    <tr role="row">
      <th role="rowheader" scope="row">
        <Link href={href({ job: id })} className="id" aria-label={`Job ${shortId(id)}`}>
          {shortId(id)}
        </Link>
      </th>
      <td role="cell" className="state-cell">
        <div className="state">
          <Status status={status} />
          <Progress job={job} />
        </div>
      </td>
      <td role="cell" className="number">{formatNumber(count)}</td>
      <td role="cell" className="number wide">{formatNumber(start)}</td>
      <td role="cell" className="created medium">
        <Age time={createdAt} />
      </td>
      <td role="cell" className="number medium">{runMs === null ? "" : formatDuration(runMs)}</td>
      <td role="cell" className={attempt > 1 ? "number wide" : "number wide faint"}>
        {attempt}/{maxAttempts}
      </td>
      <td role="cell" className="action">
        <JobAction job={job} onReport={onReport} />
      </td>
    </tr>
  );
});

function Age({ time }: { time: string }) {
  return (
    <time dateTime={time} title={formatTime(time)}>
      {formatAge(time, useNow())}
    </time>
  );
}
