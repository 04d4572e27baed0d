// Whether the page can be seen: not in a background tab or minimised window.
import { useSyncExternalStore } from "react";

function subscribe(listener: () => void) {
  document.addEventListener("visibilitychange", listener);
  return () => document.removeEventListener("visibilitychange", listener);
}

export const useIsVisible = (): boolean => useSyncExternalStore(subscribe, () => !document.hidden);
