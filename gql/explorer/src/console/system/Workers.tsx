// The workers, and when each was last seen.
import { formatNumber } from "../format/numbers";
import { formatAge } from "../format/times";
import type { SystemStats } from "./history";

export function Workers({ stats }: { stats: SystemStats }) {
  // The server's clock, which may differ from the reader's.
  const now = Date.parse(stats.at);
  return (
    <section className="panel workers" aria-labelledby="workers">
      <h2 id="workers">Workers</h2>
      {stats.workers.length === 0 ? (
        <p>No worker is running: jobs stay queued until one starts.</p>
      ) : (
        <table>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col" className="number">
                Processes
              </th>
              <th scope="col">Last seen</th>
            </tr>
          </thead>
          <tbody>
            {stats.workers.map(({ name, concurrency, lastSeenAt }) => (
              <tr key={name}>
                <td>{name}</td>
                <td className="number">{formatNumber(concurrency)}</td>
                <td>{formatAge(lastSeenAt, now)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
