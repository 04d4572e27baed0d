// To newer and older jobs. Links, so that a page can be shared.
import type { JobsQuery } from "../api/documents";
import { isFirstPage, parametersOf, type Filters } from "../filters/filters";
import { formatNumber } from "../format/numbers";
import { Link } from "../shell/Link";
import { href } from "../shell/route";

interface Props {
  filters: Filters;
  total: number;
  info: JobsQuery["jobs"]["pageInfo"];
}

export function Pages({ filters, total, info }: Props) {
  const page = (after: string | null, before: string | null) => href(parametersOf({ ...filters, after, before }));
  return (
    <nav className="pages" aria-label="Pages">
      {!isFirstPage(filters) && <Link href={page(null, null)}>Newest</Link>}
      {info.hasPreviousPage && (
        <Link rel="prev" href={page(null, info.startCursor)}>
          ← Newer
        </Link>
      )}
      <span className="faint number">{total === 1 ? "1 job" : `${formatNumber(total)} jobs`}</span>
      {info.hasNextPage && (
        <Link rel="next" href={page(info.endCursor, null)}>
          Older →
        </Link>
      )}
    </nav>
  );
}
