// The index in the address: where a shared or reloaded page starts, and where the browser's back button goes.
import { useEffect, useLayoutEffect, useRef } from "react";

import { href, navigate, useRoute } from "../../shell/route";

// Browsers limit how often a page changes its address.
const WRITE_MS = 300;

export function usePosition(id: string, onRequest: (index: number) => void) {
  const text = useRoute().get("index");
  const requested = text !== null && /^\d+$/.test(text) ? Number(text) : null;
  const written = useRef<number | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useLayoutEffect(() => {
    const isOwn = (requested ?? 0) === (written.current ?? 0);
    clearTimeout(timer.current);
    if (isOwn) return;
    written.current = requested;
    onRequest(requested ?? 0);
  }, [requested]);
  useEffect(() => () => clearTimeout(timer.current), []);

  function write(index: number, replace: boolean) {
    written.current = index;
    navigate(href({ job: id, index: index > 0 ? String(index) : null }), { replace });
  }
  return {
    requested,
    // A new address, to which the back button returns.
    push: (index: number) => {
      clearTimeout(timer.current);
      write(index, index === (requested ?? 0));
    },
    replace: (index: number) => {
      clearTimeout(timer.current);
      timer.current = setTimeout(() => write(index, true), WRITE_MS);
    },
  };
}
