// The primes around the visible rows: fetched by page when the scrolling pauses, and kept for a while.
import { useCallback, useEffect, useState } from "react";
import { useClient } from "urql";

import { PrimesPageDocument } from "../../api/documents";

export const PAGE_SIZE = 100;
const MAX_PAGES = 60;
const DEBOUNCE_MS = 60;

// The primes from the start of each page on. While a job runs, the last page is incomplete.
type Pages = ReadonlyMap<number, readonly number[]>;

export interface PageStore {
  pages: Pages;
  // Adds primes from an index on.
  add: (index: number, values: readonly number[]) => void;
  valueAt: (index: number) => number | undefined;
}

export function usePageStore(): PageStore {
  const [pages, setPages] = useState<Pages>(new Map());
  const add = useCallback(
    (index: number, values: readonly number[]) => setPages((old) => extended(old, index, values)),
    [],
  );
  return { pages, add, valueAt: (index) => pages.get(Math.floor(index / PAGE_SIZE))?.[index % PAGE_SIZE] };
}

interface Loading {
  error: string | null;
  hasExpired: boolean;
}

// Fetches what the store lacks of the rows from `first` to before `end`.
export function useLoading(id: string, { pages, add }: PageStore, first: number, end: number, available: number): Loading {
  const client = useClient();
  const [error, setError] = useState<string | null>(null);
  const [hasExpired, setHasExpired] = useState(false);

  const missing = missingFrom(pages, first, Math.min(end, available), available);
  // A page that is still incomplete after an answer is requested again when more is available.
  const request = missing.map((page) => `${page}:${pages.get(page)?.length ?? 0}:${lengthOf(page, available)}`).join();
  useEffect(() => {
    if (request === "") return;
    const subscriptions: { unsubscribe: () => void }[] = [];
    const timer = setTimeout(() => {
      for (const page of missing) {
        const offset = page * PAGE_SIZE;
        const answers = client.query(PrimesPageDocument, { id, offset, first: PAGE_SIZE });
        subscriptions.push(
          answers.subscribe(({ data, error: failure }) => {
            if (failure) return setError(failure.message);
            setError(null);
            setHasExpired(data?.job == null || data.job.result.state === "EXPIRED");
            add(offset, data?.job?.result.primes.values ?? []);
          }),
        );
      }
    }, DEBOUNCE_MS);
    // Aborts requests for rows that are no longer visible.
    return () => {
      clearTimeout(timer);
      for (const subscription of subscriptions) subscription.unsubscribe();
    };
    // `request` stands for `missing`, which is a new list each time.
  }, [client, id, request, add]);

  return { error, hasExpired };
}

const lengthOf = (page: number, available: number): number => Math.min(PAGE_SIZE, available - page * PAGE_SIZE);

function missingFrom(pages: Pages, first: number, end: number, available: number): number[] {
  const missing: number[] = [];
  for (let page = Math.floor(first / PAGE_SIZE); page * PAGE_SIZE < end; page += 1) {
    if ((pages.get(page)?.length ?? 0) < lengthOf(page, available)) missing.push(page);
  }
  return missing;
}

// Without the pages that are farthest from the new ones, if there are too many.
function extended(old: Pages, index: number, values: readonly number[]): Pages {
  const pages = new Map(old);
  let position = index;
  while (position < index + values.length) {
    const page = Math.floor(position / PAGE_SIZE);
    const stop = Math.min(index + values.length, (page + 1) * PAGE_SIZE);
    const known = pages.get(page) ?? [];
    const missing = page * PAGE_SIZE + known.length;
    if (missing >= position && missing < stop) pages.set(page, [...known, ...values.slice(missing - index, stop - index)]);
    position = stop;
  }
  if (pages.size <= MAX_PAGES) return pages;
  const center = Math.floor(index / PAGE_SIZE);
  const nearest = [...pages].sort(([one], [other]) => Math.abs(one - center) - Math.abs(other - center));
  return new Map(nearest.slice(0, MAX_PAGES));
}
