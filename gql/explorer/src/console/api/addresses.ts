// Addresses of the API, with the path prefix under which a proxy publishes it. Relative to this script, which is at
// PREFIX/explorer/, because the page is at PREFIX/ and at PREFIX.
const script = import.meta.url;
const root = new URL("../", script);

export const apiUrl = (path: string) => new URL(path, root).href;

export const GRAPHQL_URL = apiUrl("graphql");
