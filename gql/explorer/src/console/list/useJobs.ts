// The page of jobs that the filters name. There is no subscription to new jobs, and rows follow only theirs: new ones
// come with a refresh, every few seconds and soon after a change.
import { useCallback, useEffect, useRef } from "react";
import { useQuery } from "urql";

import { JobsDocument } from "../api/documents";
import { variablesOf, type Filters } from "../filters/filters";
import { useNow } from "../format/useNow";

const REFRESH_MS = 3000;
// Many jobs can end at the same moment.
const SOON_MS = 300;

export function useJobs(filters: Filters) {
  const variables = variablesOf(filters, useNow());
  const [{ data, error, fetching }, execute] = useQuery({ query: JobsDocument, variables });
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

  return { data, error, isLoading: fetching && data === undefined, refreshSoon };
}
