// Automatic persisted queries: the clients send the hash of a query first, and the query if the server asks for it.
import { createHash } from 'node:crypto';

export const sha256 = (text) => createHash('sha256').update(text).digest('hex');

// Counts the requests with a hash instead of a query.
export class HashCounter {
  sent = 0;

  count(hasQuery) {
    if (!hasQuery) this.sent += 1;
  }

  fetch = (address, options) => {
    const query = options.body ? JSON.parse(options.body).query : new URL(address).searchParams.get('query');
    this.count(Boolean(query));
    return fetch(address, options);
  };
}
