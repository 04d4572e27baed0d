// Links to the other pages of this server and to linked services; those that do not respond are apart from the others.
import { useFreshLinks, type LinkedPage } from "./links";

export function OtherPages() {
  const links = useFreshLinks();
  const missing = links.filter(({ isReachable }) => !isReachable);
  return (
    <nav aria-label="Other pages" className="others">
      {links.filter(({ isReachable }) => isReachable).map(toLink)}
      {missing.length > 0 && (
        <span className="missing">
          {/* A phone has no room for it: each link says it too. */}
          <span className="label" aria-hidden="true">
            Not reachable:
          </span>
          {missing.map(toLink)}
        </span>
      )}
    </nav>
  );
}

const toLink = ({ name, url, isReachable }: LinkedPage) => (
  <a key={name} href={url} title={isReachable ? undefined : "Not reachable"}>
    {name}
    {!isReachable && <span className="visually-hidden"> (not reachable)</span>}
  </a>
);
