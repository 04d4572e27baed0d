// The view is in the query string, so that a page at any path can be shared and reloaded: ?job=ID, ?view=system, or the
// filters of the list of jobs.
import { useMemo, useSyncExternalStore } from "react";

const CHANGED = "console:route";

export type View = "jobs" | "job" | "system";

export function viewOf(params: URLSearchParams): View {
  if (params.get("job")) return "job";
  return params.get("view") === "system" ? "system" : "jobs";
}

// The address of a view. Parameters that are empty or null are left out.
export function href(params: Record<string, string | null>): string {
  const entries = Object.entries(params).filter((entry): entry is [string, string] => Boolean(entry[1]));
  return entries.length > 0 ? `?${new URLSearchParams(entries)}` : location.pathname;
}

// With `replace`, the browser's back button skips the current address.
export function navigate(target: string, { replace = false } = {}): void {
  if (replace) history.replaceState(null, "", target);
  else history.pushState(null, "", target);
  dispatchEvent(new Event(CHANGED));
}

function subscribe(listener: () => void) {
  addEventListener("popstate", listener);
  addEventListener(CHANGED, listener);
  return () => {
    removeEventListener("popstate", listener);
    removeEventListener(CHANGED, listener);
  };
}

export function useRoute(): URLSearchParams {
  const search = useSyncExternalStore(subscribe, () => location.search);
  return useMemo(() => new URLSearchParams(search), [search]);
}
