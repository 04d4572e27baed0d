// Apollo Client with its link for persisted queries: hashes of queries by GET, of mutations and subscriptions by POST.
import { HttpLink } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { connectApollo } from './apollo.mjs';
import { HashCounter, sha256 } from './hashes.mjs';

export function connect(url) {
  const hashes = new HashCounter();
  const link = new PersistedQueryLink({ sha256, useGETForHashedQueries: true });
  return { ...connectApollo(link.concat(new HttpLink({ uri: url, fetch: hashes.fetch }))), hashes };
}
