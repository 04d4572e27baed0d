// Submit jobs, and see them live: open ones first, then those that have ended, or what the filters name.
import "./list.css";

import { useCallback, useMemo, useState } from "react";

import type { JobSummaryFragment } from "../api/documents";
import { NoticeLine } from "../jobs/NoticeLine";
import type { Notice } from "../jobs/useJobAction";
import { FilterBar } from "../filters/FilterBar";
import { filtersOf, isFiltered, OPEN, parametersOf, type Filters } from "../filters/filters";
import { formatNumber } from "../format/numbers";
import { Heading } from "../shell/Heading";
import { Link } from "../shell/Link";
import { href, useRoute } from "../shell/route";
import { SystemStrip } from "../system/SystemStrip";
import { SubmitForm } from "../submit/SubmitForm";
import { Ends, useEnds } from "./Ends";
import { JobTable } from "./JobTable";
import { Pages } from "./Pages";
import { useJobs } from "./useJobs";

const DEFAULT_COUNT = formatNumber(1000);
const FIRST_PRIME = "2";

export function JobsView() {
  const params = useRoute();
  const filters = useMemo(() => filtersOf(params), [params]);
  const { groups, info, error, isAnswered, isLoading, refreshSoon, change } = useJobs(filters);
  const [notice, setNotice] = useState<Notice | null>(null);
  const [count, start] = [params.get("count") ?? DEFAULT_COUNT, params.get("start") ?? FIRST_PRIME];
  const { text, add } = useEnds();
  const onReport = useCallback(
    (report: Notice) => {
      setNotice(report);
      refreshSoon();
    },
    [refreshSoon],
  );
  const onChange = useCallback(
    (job: JobSummaryFragment) => {
      if (job.isFinal) add(job);
      change(job);
    },
    [add, change],
  );
  const open = groups.find(({ name }) => name === "Open");
  const listed = groups.at(-1);
  const isEmpty = groups.every(({ jobs }) => jobs.length === 0);

  return (
    <>
      <Heading title="Jobs" />
      <SystemStrip />
      {/* Another address can have other numbers. */}
      <SubmitForm key={`${count} ${start}`} initial={{ count, start }} onSubmitted={refreshSoon} />
      <section className="panel list" aria-label="List of jobs">
        <FilterBar filters={filters} />
        <NoticeLine notice={notice} onClose={() => setNotice(null)} />
        {error && <p role="alert" className="problem">{`The jobs could not be loaded: ${error.message}`}</p>}
        {isEmpty && isLoading && <p className="empty">Loading…</p>}
        {isEmpty && isAnswered && <Empty filters={filters} />}
        {!isEmpty && <JobTable groups={groups} onReport={onReport} onChange={onChange} />}
        {open && <MoreOpen filters={filters} total={open.total} shown={open.jobs.length} />}
        {info && listed && listed.jobs.length > 0 && (
          <Pages filters={filters} total={groups.reduce((sum, { total }) => sum + total, 0)} info={info} />
        )}
      </section>
      <Ends text={text} />
    </>
  );
}

function Empty({ filters }: { filters: Filters }) {
  return isFiltered(filters) ? (
    <p className="empty">
      No job matches these filters. <Link href={href({})}>Show all jobs</Link>
    </p>
  ) : (
    <p className="empty">No jobs yet. Generate some primes above, and follow them here.</p>
  );
}

function MoreOpen({ filters, total, shown }: { filters: Filters; total: number; shown: number }) {
  if (total <= shown) return null;
  const target = href(parametersOf({ ...filters, statuses: OPEN }));
  return (
    <p>
      {formatNumber(total - shown)} more jobs are open. <Link href={target}>Show all open jobs</Link>
    </p>
  );
}
