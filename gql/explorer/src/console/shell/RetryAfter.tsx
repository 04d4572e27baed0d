// When to try again, counted down.
import { useNow } from "../format/useNow";

export function RetryAfter({ at }: { at: number }) {
  const seconds = Math.ceil((at - useNow()) / 1000);
  // Not spoken again each second.
  return <span aria-live="off">{seconds > 0 ? `Try again in ${seconds} s.` : "Try again now."}</span>;
}
