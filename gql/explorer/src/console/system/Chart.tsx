// A small line chart of the last minutes. Its text alternative is a sentence; the current figure is beside it as text.
import { KEPT_SECONDS, secondsOf, type SystemStats } from "./history";

// The height in the coordinates of the drawing, which is stretched to its box.
const TOP = 100;

// Between two states that are further apart, the page was hidden or the API away. Longer than any interval.
const GAP_SECONDS = 15;

interface Props {
  history: readonly SystemStats[];
  valueOf: (stats: SystemStats) => number;
  highest: number;
  label: string;
  alternative: string;
}

export function Chart({ history, valueOf, highest, label, alternative }: Props) {
  return (
    <div className="chart" role="img" aria-label={alternative}>
      <svg aria-hidden="true" viewBox={`0 0 ${KEPT_SECONDS} ${TOP}`} preserveAspectRatio="none">
        <path className="grid" d={`M0 0H${KEPT_SECONDS}M0 ${TOP / 2}H${KEPT_SECONDS}M0 ${TOP}H${KEPT_SECONDS}`} />
        <path className="line" d={path(history, valueOf, highest)} />
      </svg>
      <span className="highest">{label}</span>
      <span className="from">{KEPT_SECONDS / 60} min ago</span>
      <span className="to">now</span>
    </div>
  );
}

function path(history: Props["history"], valueOf: Props["valueOf"], highest: number): string {
  const latest = history.at(-1);
  if (latest === undefined) return "";
  const first = secondsOf(latest) - KEPT_SECONDS;
  let before = -Infinity;
  return history
    .map((stats) => {
      const x = secondsOf(stats) - first;
      const y = TOP * (1 - valueOf(stats) / highest);
      const command = x - before > GAP_SECONDS ? "M" : "L";
      before = x;
      return `${command}${x.toFixed(1)} ${y.toFixed(1)}`;
    })
    .join("");
}
