// The state of the system in the last minutes, as this page has seen it. Kept while another view is open.
import type { SystemSubscription } from "../api/documents";
import { Store } from "../api/store";

export type SystemStats = SystemSubscription["systemStats"];

export const KEPT_SECONDS = 300;

export const historyStore = new Store<readonly SystemStats[]>([]);

// By the clock of the job store.
export const secondsOf = (stats: SystemStats): number => Date.parse(stats.at) / 1000;

// A clock that was set back starts a new history.
export function remember(stats: SystemStats): void {
  const now = secondsOf(stats);
  const isRecent = (kept: SystemStats) => secondsOf(kept) >= now - KEPT_SECONDS && secondsOf(kept) < now;
  historyStore.set([...historyStore.get().filter(isRecent), stats]);
}
