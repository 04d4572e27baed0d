// graphql-ws: all operations over one WebSocket.
import { setTimeout } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

export function connect(url, { retryAttempts = 0 } = {}) {
  const client = createClient({
    url: url.replace(/^http/, 'ws'),
    webSocketImpl: WebSocket,
    retryAttempts,
    retryWait: () => setTimeout(100),
    // By default it does not retry when the connection is refused, as while the server restarts.
    shouldRetry: () => true,
  });
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
