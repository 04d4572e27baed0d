// Filters by status and by time of creation. Each change is a new address.
import "./filters.css";

import type { JobStatus } from "../api/documents";
import { STATUS_NAMES } from "../jobs/Status";
import { Link } from "../shell/Link";
import { href, navigate } from "../shell/route";
import { isFiltered, parametersOf, PERIODS, STATUSES, type Filters } from "./filters";
import { TimeField } from "./TimeField";

const RANGE = "range";

export function FilterBar({ filters }: { filters: Filters }) {
  const { statuses, period, from, to } = filters;
  const change = (changes: Partial<Filters>) =>
    navigate(href(parametersOf({ ...filters, after: null, before: null, ...changes })));

  function toggle(status: JobStatus) {
    change({ statuses: statuses.includes(status) ? statuses.filter((one) => one !== status) : [...statuses, status] });
  }
  function choosePeriod(value: string) {
    const midnight = new Date(new Date().setHours(0, 0, 0, 0)).toISOString();
    change({ period: value === RANGE ? null : value || null, from: value === RANGE ? midnight : null, to: null });
  }
  const hasRange = from !== null || to !== null;

  return (
    <div className="filters">
      <fieldset>
        <legend className="visually-hidden">Status</legend>
        {STATUSES.map((status) => (
          <label key={status} className="chip">
            <input type="checkbox" checked={statuses.includes(status)} onChange={() => toggle(status)} />
            <span>{STATUS_NAMES[status]}</span>
          </label>
        ))}
      </fieldset>
      <select
        aria-label="Created"
        value={hasRange ? RANGE : (period ?? "")}
        onChange={(event) => choosePeriod(event.target.value)}
      >
        <option value="">Any time</option>
        {Object.entries(PERIODS).map(([value, { name }]) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
        <option value={RANGE}>Range…</option>
      </select>
      {hasRange && (
        <>
          <TimeField label="From" time={from} onChange={(time) => change({ from: time })} />
          <TimeField label="to" time={to} onChange={(time) => change({ to: time })} />
        </>
      )}
      {isFiltered(filters) && <Link href={href({})}>Clear filters</Link>}
    </div>
  );
}
