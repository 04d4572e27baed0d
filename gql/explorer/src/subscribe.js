// A subscription as the observable GraphiQL expects: over a WebSocket (graphql-transport-ws), and where that cannot be
// opened (a proxy that does not pass upgrades), as server-sent events over an ordinary POST. The headers editor's
// content is the connection_init payload of the one and the request headers of the other.
import { createClient as createSseClient } from "graphql-sse";
import { createClient as createWsClient } from "graphql-ws";

// Loopback and ordinary networks answer within milliseconds; a proxy that swallows the upgrade never does.
const OPENING_MS = 3000;

export function subscription(endpoint, request, headers) {
  return {
    subscribe(sink) {
      let stop = overWebSocket(endpoint, request, headers, sink, () => {
        stop = overServerSentEvents(endpoint, request, headers, sink);
      });
      return { unsubscribe: () => stop() };
    },
  };
}

function overWebSocket(endpoint, request, headers, sink, unopened) {
  let isOpen = false;
  const client = createWsClient({
    url: endpoint.replace(/^http/, "ws"),
    connectionParams: initPayload(headers),
    connectionAckWaitTimeout: OPENING_MS,
    // Once it was open, a lost connection is worth another try: the server begins with the current state again.
    shouldRetry: () => isOpen,
    on: { connected: () => (isOpen = true) },
  });
  return client.subscribe(request, {
    ...sink,
    error: (error) => (isOpen || isRefusal(error) ? sink.error(readable(error)) : unopened()),
  });
}

function overServerSentEvents(endpoint, request, headers, sink) {
  const client = createSseClient({ url: endpoint, headers, retryAttempts: 0 });
  return client.subscribe(request, { ...sink, error: (error) => sink.error(readable(error)) });
}

// Header names have no case, JSON keys do: the server looks for one spelling.
function initPayload(headers) {
  const { authorization, ...rest } = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [/^authorization$/i.test(name) ? "authorization" : name, value]),
  );
  return authorization ? { ...rest, Authorization: authorization } : rest;
}

// The server spoke and said no (4400 to 4499): another transport would hear the same.
function isRefusal(error) {
  return Array.isArray(error) || (error?.code >= 4400 && error?.code < 4500);
}

// The clients report a list of GraphQL errors, a CloseEvent, or an Error; GraphiQL shows lists, and things with a message.
function readable(error) {
  if (Array.isArray(error)) return error;
  if (error instanceof CloseEvent) return { message: `Connection closed: ${error.code} ${error.reason}`.trim() };
  return { message: error.message };
}
