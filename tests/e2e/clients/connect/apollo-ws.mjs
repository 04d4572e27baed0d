// Apollo Client over graphql-ws.
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { connectApollo } from './apollo.mjs';

export function connect(url) {
  const socket = createClient({ url: url.replace(/^http/, 'ws'), webSocketImpl: WebSocket, retryAttempts: 0 });
  return connectApollo(new GraphQLWsLink(socket), () => socket.dispose());
}
