// The state of the system, live, and its history. Pauses while the page is hidden.
import { useEffect } from "react";
import { useSubscription } from "urql";

import { SystemDocument } from "../api/documents";
import { reportSilence } from "../api/connection";
import { useStore } from "../api/store";
import { historyStore, remember, type SystemStats } from "./history";
import { useIsVisible } from "./useIsVisible";

const INTERVAL_MS = 1000;
// Charts move with each state.
const CALM_INTERVAL_MS = 5000;

// The API waits two seconds for the store.
const LATE_MS = 4000;

export function useSystem(): readonly SystemStats[] {
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const intervalMs = isCalm ? CALM_INTERVAL_MS : INTERVAL_MS;
  const isVisible = useIsVisible();
  const [{ data }] = useSubscription({ query: SystemDocument, variables: { intervalMs }, pause: !isVisible });
  useEffect(() => {
    if (data) remember(data.systemStats);
  }, [data]);
  useEffect(() => {
    if (!isVisible || !data) return;
    const timer = setTimeout(reportSilence, intervalMs + LATE_MS);
    return () => clearTimeout(timer);
  }, [data, intervalMs, isVisible]);
  return useStore(historyStore);
}
