// The page of jobs that the filters name. There is no subscription to new jobs, and rows follow only theirs: new ones
// come with a refresh, every few seconds and soon after a change.
import { useCallback, useEffect, useRef, useState } from "react";
import { useQuery } from "urql";

import { JobsDocument, type JobSummaryFragment } from "../api/documents";
import { PAGE_SIZE, variablesOf, type Filters } from "../filters/filters";
import { useNow } from "../format/useNow";
import { groupsOf } from "./groups";

const REFRESH_MS = 3000;
// Many jobs can end at the same moment.
const SOON_MS = 300;

// Enough for each row of both groups.
const MAX_CHANGED = 2 * PAGE_SIZE;

export function useJobs(filters: Filters) {
  const variables = variablesOf(filters, useNow());
  const [{ data, error, fetching }, execute] = useQuery({ query: JobsDocument, variables });
  const [changed, setChanged] = useState<readonly JobSummaryFragment[]>([]);
  // The last answer stays until the one for other filters arrives.
  const [answer, setAnswer] = useState({ data, filters });
  if (answer.data !== data) setAnswer({ data, filters });
  const isAnswered = data !== undefined && answer.filters === filters;
  const soon = useRef<ReturnType<typeof setTimeout>>(undefined);

  useEffect(() => {
    const timer = setInterval(() => document.hidden || execute(), REFRESH_MS);
    return () => {
      clearInterval(timer);
      clearTimeout(soon.current);
    };
  }, [execute]);
  const refreshSoon = useCallback(() => {
    clearTimeout(soon.current);
    soon.current = setTimeout(execute, SOON_MS);
  }, [execute]);
  const change = useCallback(
    (job: JobSummaryFragment) => {
      setChanged((before) => [...before, job].slice(-MAX_CHANGED));
      refreshSoon();
    },
    [refreshSoon],
  );

  const groups = data ? groupsOf(data, changed, variables) : [];
  return { groups, info: data?.jobs.pageInfo, error, isAnswered, isLoading: fetching && !isAnswered, refreshSoon, change };
}
