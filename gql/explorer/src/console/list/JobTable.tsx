// A table of jobs in groups. Its roles are explicit, since the layout on a phone takes them from some browsers.
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
    <table role="table" className="jobs" {...handlers}>
      <caption className="visually-hidden">Jobs, newest first</caption>
      <thead role="rowgroup">
        <tr role="row">
          {COLUMNS.map(({ name, className }) => (
            <th key={name} role="columnheader" scope="col" className={className}>
              {name}
            </th>
          ))}
          <th role="columnheader" scope="col" className="col-action">
            <span className="visually-hidden">Action</span>
          </th>
        </tr>
      </thead>
      {shown.map(({ name, total, jobs }) => (
        <tbody key={name} role="rowgroup">
          {shown.length > 1 && (
            <tr role="row" className="group">
              {/* Not over all columns: those that are hidden on a narrow window would have a width again. */}
              <th role="rowheader" scope="rowgroup" colSpan={2}>
                {name} · {formatNumber(total)}
              </th>
              {COLUMNS.slice(2).map((column) => (
                <td key={column.name} role="cell" className={column.className} />
              ))}
              <td role="cell" />
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
