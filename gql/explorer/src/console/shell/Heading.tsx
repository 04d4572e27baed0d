// The heading of a view. Gets the focus when the view opens, so that a screen reader announces it, and names the tab.
import { useEffect, useRef, type ReactNode } from "react";

let isFirstView = true;

export function Heading({ title, children }: { title: string; children?: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Primes`;
  }, [title]);
  useEffect(() => {
    if (!isFirstView) heading.current?.focus();
    isFirstView = false;
  }, []);
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children ?? title}
    </h1>
  );
}
