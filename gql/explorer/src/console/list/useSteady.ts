// Rows stay where they are while the pointer moves over them: a click must not meet the button of another job.
import { useRef, useState } from "react";

// Shorter than a reader waits for a change, longer than it takes to aim.
const HOLD_MS = 1000;

export function useSteady<T>(latest: T) {
  const [held, setHeld] = useState<T | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  function release() {
    clearTimeout(timer.current);
    setHeld(null);
  }
  function hold() {
    clearTimeout(timer.current);
    timer.current = setTimeout(release, HOLD_MS);
    setHeld((before) => before ?? latest);
  }
  return { shown: held ?? latest, handlers: { onPointerMove: hold, onPointerLeave: release } };
}
