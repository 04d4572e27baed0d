// All primes of a job, to scroll and to jump through, also while they are computed. The address holds the position.
import "./primes.css";

import { useLayoutEffect, useState } from "react";

import type { JobDetailsFragment } from "../../api/documents";
import { formatNumber } from "../../format/numbers";
import { JumpForm } from "./JumpForm";
import { PrimeGrid } from "./PrimeGrid";
import { useLoading, usePageStore } from "./usePages";
import { usePosition } from "./usePosition";
import { useRowScroll } from "./useRowScroll";
import { useTail } from "./useTail";

export function Primes({ job }: { job: JobDetailsFragment }) {
  const { state, available } = job.result;
  return (
    <section className="panel primes">
      <h2>Primes</h2>
      {available === 0 || state === "EXPIRED" ? <p className="faint">{emptyText(job)}</p> : <PrimeList job={job} />}
    </section>
  );
}

function emptyText({ isFinal, result }: JobDetailsFragment): string {
  if (result.state === "EXPIRED") return "They have expired.";
  return isFinal ? "None." : "None yet. They appear as soon as the first part is computed.";
}

function PrimeList({ job: { id, count, isFinal, result } }: { job: JobDetailsFragment }) {
  const [isFollowing, setFollowing] = useState(false);
  const [active, setActive] = useState<number | null>(null);
  const store = usePageStore();
  const rowCount = useTail(id, result.available, isFollowing && !isFinal, store.add);
  const scroll = useRowScroll(rowCount, (topRow) => {
    if (!isFollowing) position.replace(isVisible(active, topRow) ? active : topRow);
  });
  const position = usePosition(id, (index) => show(Math.min(index, rowCount - 1)));
  const loading = useLoading(id, store, scroll.first, scroll.end, rowCount);
  // At the end, whenever there is more.
  useLayoutEffect(() => {
    if (isFollowing) scroll.scrollToRow(rowCount);
  }, [isFollowing, rowCount]);

  const isVisible = (row: number | null, topRow: number): row is number =>
    row !== null && row >= topRow && row < topRow + scroll.pageRows;
  function show(row: number) {
    setFollowing(false);
    setActive(row);
    scroll.scrollToRow(row);
  }
  function jump(row: number) {
    show(row);
    position.push(row);
    scroll.scroller.current?.focus();
  }
  function move(row: number) {
    setFollowing(!isFinal && row === rowCount - 1);
    setActive(row);
    scroll.revealRow(row);
    position.replace(row);
  }

  if (loading.hasExpired) return <p role="alert">The primes have expired.</p>;
  return (
    <>
      <JumpForm id={id} available={rowCount} onJump={jump} />
      {loading.error !== null && <p role="alert">{loading.error}</p>}
      <PrimeGrid
        rowCount={rowCount}
        active={active}
        scroll={scroll}
        valueAt={store.valueAt}
        onScroll={() => scroll.onScroll() && setFollowing(false)}
        onMove={move}
      />
      <div className="primes-foot">
        <p className="faint">
          {formatNumber(rowCount)} {rowCount < count && `of ${formatNumber(count)} `}can be read
          {position.requested !== null && position.requested >= rowCount && `: index ${formatNumber(position.requested)} cannot`}
        </p>
        {!isFinal && (
          <label>
            <input type="checkbox" checked={isFollowing} onChange={(event) => setFollowing(event.target.checked)} /> Follow
            the end
          </label>
        )}
      </div>
    </>
  );
}
