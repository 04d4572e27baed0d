// The primes at the end of a running job, as they are computed: primeStream, from the last page on.
import { useEffect, useState } from "react";
import { useClient } from "urql";

import { FollowPrimesDocument } from "../../api/documents";
import { PAGE_SIZE } from "./usePages";

// A stream that is farther behind starts again at the end: a segment has a million primes, and the viewer sees twenty.
const MAX_LAG = 10 * PAGE_SIZE;

const startOfLastPage = (available: number): number => Math.floor((available - 1) / PAGE_SIZE) * PAGE_SIZE;

// Returns how many primes can be read, which the stream may know before the job's own updates.
export function useTail(
  id: string,
  available: number,
  isFollowing: boolean,
  add: (index: number, values: readonly number[]) => void,
): number {
  const client = useClient();
  const [streamed, setStreamed] = useState(0);
  const [from, setFrom] = useState<number | null>(null);
  if (isFollowing && from === null) setFrom(startOfLastPage(available));
  if (!isFollowing && from !== null) setFrom(null);
  // Not useSubscription, whose handler runs while React renders.
  useEffect(() => {
    if (from === null) return;
    const events = client.subscription(FollowPrimesDocument, { id, fromIndex: from, maxBatch: PAGE_SIZE });
    const { unsubscribe } = events.subscribe(({ data }) => {
      const batch = data?.primeStream;
      if (batch?.__typename !== "PrimeBatch") return;
      if (batch.availableCount - batch.offset > MAX_LAG) {
        setFrom(startOfLastPage(batch.availableCount));
      } else {
        add(batch.offset, batch.values);
        setStreamed(batch.availableCount);
      }
    });
    return unsubscribe;
  }, [client, id, from, add]);
  return Math.max(available, streamed);
}
