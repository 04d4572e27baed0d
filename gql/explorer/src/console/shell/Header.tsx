// Navigation between the views, and to the other pages of this server and to linked services.
import { Link } from "./Link";
import { OtherPages } from "./OtherPages";
import { href, type View } from "./route";

export function Header({ view }: { view: View }) {
  return (
    <header className="header">
      <Link className="brand" href={href({})}>
        Primes
      </Link>
      <nav aria-label="Console">
        <Link href={href({})} aria-current={view === "jobs" ? "page" : undefined}>
          Jobs
        </Link>
        <Link href={href({ view: "system" })} aria-current={view === "system" ? "page" : undefined}>
          System
        </Link>
      </nav>
      <OtherPages />
    </header>
  );
}
