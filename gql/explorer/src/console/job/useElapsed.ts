// A duration that goes on until it is final. Counted from when the server sent it, since clocks differ.
import { useMemo } from "react";

import { useNow } from "../format/useNow";

export function useElapsed(ms: number | null, version: number, isOver: boolean): number | null {
  const now = useNow();
  const receivedAt = useMemo(() => Date.now(), [version]);
  if (ms === null) return null;
  return isOver ? ms : ms + Math.max(0, now - receivedAt);
}
