// graphql-sse: every operation is a POST with a response of Server-Sent Events.
import { setTimeout } from 'node:timers/promises';
import { createClient } from 'graphql-sse';

export function connect(url, { retryAttempts = 0 } = {}) {
  const client = createClient({ url, retryAttempts, retry: () => setTimeout(100) });
  return {
    async execute(query, variables) {
      for await (const { data } of client.iterate({ query, variables })) return data;
    },
    async *subscribe(query, variables) {
      for await (const { data } of client.iterate({ query, variables })) yield data;
    },
    close: () => client.dispose(),
  };
}
