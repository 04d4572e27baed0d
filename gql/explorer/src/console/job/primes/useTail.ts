// The primes at the end of a running job, as they are computed: primeStream, from the last page on.
import { useState } from "react";
import { useSubscription } from "urql";

import { FollowPrimesDocument } from "../../api/documents";
import { PAGE_SIZE } from "./usePages";

// A stream that is farther behind starts again at the end: a segment has a million primes, and the viewer sees twenty.
const MAX_LAG = 10 * PAGE_SIZE;

const startOfPage = (index: number): number => Math.max(0, Math.floor(index / PAGE_SIZE) * PAGE_SIZE);

export function useTail(
  id: string,
  available: number,
  isFollowing: boolean,
  add: (index: number, values: readonly number[]) => void,
): number {
  const [streamed, setStreamed] = useState(0);
  const [from, setFrom] = useState<number | null>(null);
  if (isFollowing && from === null) setFrom(startOfPage(available - 1));
  if (!isFollowing && from !== null) setFrom(null);
  useSubscription(
    { query: FollowPrimesDocument, variables: { id, fromIndex: from ?? 0, maxBatch: PAGE_SIZE }, pause: from === null },
    (_, event) => {
      const batch = event.primeStream;
      if (batch.__typename !== "PrimeBatch") return event;
      const end = batch.offset + batch.values.length;
      if (batch.availableCount - end > MAX_LAG) {
        setFrom(startOfPage(batch.availableCount - 1));
      } else {
        add(batch.offset, batch.values);
        setStreamed(batch.availableCount);
      }
      return event;
    },
  );
  return Math.max(available, streamed);
}
