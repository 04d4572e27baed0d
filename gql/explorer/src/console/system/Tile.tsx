// One figure of the system: its current value, and a chart of the last minutes.
import { useId } from "react";

import { Chart } from "./Chart";
import type { SystemStats } from "./history";

interface Props {
  title: string;
  history: readonly SystemStats[];
  valueOf: (stats: SystemStats) => number;
  format: (value: number) => string;
  note: string;
  // The chart's smallest highest value: small changes near zero are a line at the bottom.
  least?: number;
}

export function Tile({ title, history, valueOf, format, note, least = 1 }: Props) {
  const id = useId();
  const values = history.map(valueOf);
  const highest = Math.max(least, ...values);
  const range = `${format(Math.min(...values))} to ${format(Math.max(...values))}`;
  return (
    <section className="panel tile" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      <p className="value">{format(values.at(-1) ?? 0)}</p>
      <p className="faint">{note}</p>
      <Chart
        history={history}
        valueOf={valueOf}
        highest={highest}
        label={format(highest)}
        alternative={`${title} in the last 5 minutes: ${range}`}
      />
    </section>
  );
}
