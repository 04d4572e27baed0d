// A table of jobs in groups.
import type { JobSummaryFragment } from "../api/documents";
import { formatNumber } from "../format/numbers";
import type { Report } from "../jobs/useJobAction";
import type { Group } from "./groups";
import { JobRow } from "./JobRow";
import { useSteady } from "./useSteady";

interface Props {
  groups: Group[];
  onReport: Report;
  onChange: (job: JobSummaryFragment) => void;
}

const COLUMNS = [
  { name: "Job", className: "col-job" },
  { name: "Status" },
  { name: "Count", className: "col-count number" },
  { name: "Start", className: "col-start number wide" },
  { name: "Created", className: "col-created medium" },
  { name: "Duration", className: "col-duration number medium" },
  { name: "Attempt", className: "col-attempt number wide" },
];

export function JobTable({ groups, onReport, onChange }: Props) {
  const { shown, handlers } = useSteady(groups.filter(({ jobs }) => jobs.length > 0));
  return (
    <table className="jobs" {...handlers}>
      <caption className="visually-hidden">Jobs, newest first</caption>
      <thead>
        <tr>
          {COLUMNS.map(({ name, className }) => (
            <th key={name} scope="col" className={className}>
              {name}
            </th>
          ))}
          <th scope="col" className="col-action">
            <span className="visually-hidden">Action</span>
          </th>
        </tr>
      </thead>
      {shown.map(({ name, total, jobs }) => (
        <tbody key={name}>
          {shown.length > 1 && (
            <tr className="group">
              {/* Not over all columns: those that are hidden on a narrow window would have a width again. */}
              <th scope="rowgroup" colSpan={2}>
                {name} · {formatNumber(total)}
              </th>
              {COLUMNS.slice(2).map((column) => (
                <td key={column.name} className={column.className} />
              ))}
              <td />
            </tr>
          )}
          {jobs.map((job) => (
            <JobRow key={job.id} job={job} onReport={onReport} onChange={onChange} />
          ))}
        </tbody>
      ))}
    </table>
  );
}
