// A window on all primes of a job. Only the visible rows exist; the arrow keys move from row to row.
import type { KeyboardEvent } from "react";

import { formatNumber } from "../../format/numbers";
import { ROW_HEIGHT, type useRowScroll } from "./useRowScroll";

interface Props {
  rowCount: number;
  // The row that the keys move, and that was jumped to.
  active: number | null;
  scroll: ReturnType<typeof useRowScroll>;
  valueAt: (index: number) => number | undefined;
  onScroll: () => void;
  onMove: (row: number) => void;
}

const rowId = (index: number) => `prime-${index}`;

export function PrimeGrid({ rowCount, active, scroll, valueAt, onScroll, onMove }: Props) {
  const { first, end, topRow, pageRows } = scroll;
  const isVisible = active !== null && active >= topRow && active < topRow + pageRows;

  function onKeyDown(event: KeyboardEvent) {
    if (event.altKey || event.metaKey || event.shiftKey) return;
    const at = isVisible ? active : null;
    const targets: Record<string, number> = {
      ArrowDown: at === null ? topRow : at + 1,
      ArrowUp: at === null ? topRow : at - 1,
      PageDown: (at ?? topRow) + pageRows,
      PageUp: (at ?? topRow) - pageRows,
      Home: 0,
      End: rowCount - 1,
    };
    const target = targets[event.key];
    if (target === undefined) return;
    event.preventDefault();
    onMove(Math.min(Math.max(0, target), rowCount - 1));
  }

  const rows = Array.from({ length: Math.max(0, end - first) }, (_, place) => first + place);
  return (
    <div
      ref={scroll.scroller}
      className="grid"
      role="grid"
      aria-label="Primes"
      aria-rowcount={rowCount + 1}
      aria-colcount={2}
      aria-activedescendant={isVisible ? rowId(active) : undefined}
      tabIndex={0}
      onScroll={onScroll}
      onScrollEnd={scroll.onScrollEnd}
      onWheel={scroll.onWheel}
      onKeyDown={onKeyDown}
    >
      <div role="rowgroup" className="grid-head">
        <div role="row" aria-rowindex={1}>
          <span role="columnheader">Index</span>
          <span role="columnheader">Prime</span>
        </div>
      </div>
      <div role="presentation" style={{ height: scroll.height }}>
        <div role="rowgroup" className="grid-rows" style={{ top: ROW_HEIGHT + scroll.offset }}>
          {rows.map((index) => (
            <Row key={index} index={index} value={valueAt(index)} isActive={index === active} />
          ))}
        </div>
      </div>
    </div>
  );
}

function Row({ index, value, isActive }: { index: number; value: number | undefined; isActive: boolean }) {
  return (
    <div role="row" id={rowId(index)} aria-rowindex={index + 2} aria-selected={isActive}>
      <span role="rowheader">{formatNumber(index)}</span>
      <span role="gridcell">{value === undefined ? "…" : formatNumber(value)}</span>
    </div>
  );
}
