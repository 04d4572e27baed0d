// urql with its exchange for persisted queries over graphql-ws: every operation takes the WebSocket.
import { subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { HashCounter } from './hashes.mjs';
import { persisted } from './urql-hashes.mjs';
import { connectUrql } from './urql.mjs';

export function connect(url) {
  const hashes = new HashCounter();
  const socket = createClient({ url: url.replace(/^http/, 'ws'), webSocketImpl: WebSocket, retryAttempts: 0 });
  const exchange = subscriptionExchange({
    enableAllOperations: true,
    forwardSubscription({ query = '', variables, extensions }) {
      hashes.count(Boolean(query));
      return { subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables, extensions }, sink) }) };
    },
  });
  return { ...connectUrql(url, { exchanges: [persisted(), exchange], close: () => socket.dispose() }), hashes };
}
