// Scrolls through any number of rows of one height: which rows are visible, and where they are in the scrolled element.
//
// Scrolling by wheel, finger or key moves the list by as many pixels as the element. A large step without the wheel is a
// dragged scrollbar, and moves through the whole list. When the scrolling pauses, the element is moved, with the rows in it, to
// where the scrollbar shows the position in the list. No package does this: they measure each row in advance.
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";

import { createScale } from "./scale";

export const ROW_HEIGHT = 28;

// More than a finger moves between two frames.
const JUMP = 3000;
// A wheel may move any distance between two frames of a busy browser.
const WHEEL_MS = 500;
// A busy browser pauses while it scrolls: the event says when it has ended. Older versions of Safari do not send it.
const HAS_SCROLLEND = "onscrollend" in window;
const SETTLE_MS = 150;
// Rows above and below the visible ones: a frame that scrolls finds them rendered.
const OVERSCAN = 6;

interface Position {
  // Pixels of the list above the visible rows.
  list: number;
  // scrollTop of the element.
  element: number;
}

export function useRowScroll(rowCount: number, onSettle: (topRow: number) => void) {
  const scroller = useRef<HTMLDivElement>(null);
  const [viewHeight, setViewHeight] = useState(0);
  const [position, setPosition] = useState<Position>({ list: 0, element: 0 });
  const current = useRef(position);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const wheeledAt = useRef(-Infinity);
  const isSettled = useRef(true);
  const scale = useMemo(() => createScale(rowCount * ROW_HEIGHT, viewHeight), [rowCount, viewHeight]);

  const place = useCallback(
    (offset: number) => {
      const element = scroller.current;
      if (element === null) return;
      const list = Math.min(Math.max(0, offset), scale.end);
      element.scrollTop = Math.round(scale.toElement(list));
      current.current = { list, element: element.scrollTop };
      setPosition(current.current);
    },
    [scale],
  );

  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    // The header row is part of the element.
    const observer = new ResizeObserver(() => setViewHeight(element.clientHeight - ROW_HEIGHT));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  // More rows: the same position is elsewhere on the scrollbar.
  useLayoutEffect(() => place(current.current.list), [place]);
  useEffect(() => () => clearTimeout(timer.current), []);

  function settle() {
    if (isSettled.current) return;
    isSettled.current = true;
    place(current.current.list);
    onSettle(Math.round(current.current.list / ROW_HEIGHT));
  }
  // Whether the user has scrolled, and not this hook.
  function onScroll(): boolean {
    const element = scroller.current?.scrollTop ?? 0;
    const step = element - current.current.element;
    if (step === 0) return false;
    const isDragged = Math.abs(step) > JUMP && performance.now() - wheeledAt.current > WHEEL_MS;
    const list = isDragged ? scale.toList(element) : current.current.list + step;
    current.current = { list: Math.min(Math.max(0, list), scale.end), element };
    setPosition(current.current);
    isSettled.current = false;
    if (!HAS_SCROLLEND) {
      clearTimeout(timer.current);
      timer.current = setTimeout(settle, SETTLE_MS);
    }
    return true;
  }

  const top = position.list / ROW_HEIGHT;
  const shown = viewHeight / ROW_HEIGHT;
  const first = Math.max(0, Math.floor(top) - OVERSCAN);
  return {
    scroller,
    onScroll,
    onScrollEnd: settle,
    onWheel: () => {
      wheeledAt.current = performance.now();
    },
    // Height of the element that holds the rows, and where the first rendered row is in it.
    height: scale.height,
    offset: first * ROW_HEIGHT - position.list + position.element,
    first,
    end: Math.min(rowCount, Math.ceil(top + shown) + OVERSCAN),
    topRow: Math.round(top),
    // Rows that are visible as a whole.
    pageRows: Math.max(1, Math.floor(shown)),
    isAtEnd: position.list >= scale.end - 1,
    scrollToRow: (row: number) => place(row * ROW_HEIGHT),
    // Scrolls as little as needed.
    revealRow: (row: number) => {
      const start = row * ROW_HEIGHT;
      const { list } = current.current;
      if (start < list) place(start);
      else if (start + ROW_HEIGHT > list + viewHeight) place(start + ROW_HEIGHT - viewHeight);
    },
  };
}
