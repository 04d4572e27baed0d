// urql with its exchange for persisted queries, and subscriptions as Server-Sent Events.
import { persistedExchange } from '@urql/exchange-persisted';
import { HashCounter } from './hashes.mjs';
import { connectUrql } from './urql.mjs';

export const persisted = () => persistedExchange({
  preferGetForPersistedQueries: false,
  enableForMutation: true,
  enableForSubscriptions: true,
});

export function connect(url) {
  const hashes = new HashCounter();
  const options = { exchanges: [persisted()], fetchSubscriptions: true, fetch: hashes.fetch };
  return { ...connectUrql(url, options), hashes };
}
