// A subscription as the observable that GraphiQL expects. Uses a WebSocket (graphql-transport-ws), and falls back to
// Server-Sent Events over POST if the WebSocket does not open, for example behind a proxy without support for upgrades.
// The headers editor sets the connection_init payload of the WebSocket and the request headers of the POST.
import { createClient as createSseClient } from "graphql-sse";
import { createClient as createWsClient } from "graphql-ws";

// A server acknowledges within milliseconds. A proxy that drops the upgrade never does.
const ACK_TIMEOUT_MS = 3000;

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

function overWebSocket(endpoint, request, headers, sink, onNotOpened) {
  let isOpen = false;
  const client = createWsClient({
    url: endpoint.replace(/^http/, "ws"),
    connectionParams: initPayload(headers),
    connectionAckWaitTimeout: ACK_TIMEOUT_MS,
    // Reconnect only if the connection was open before. The server then sends the current state first.
    shouldRetry: () => isOpen,
    on: { connected: () => (isOpen = true) },
  });
  return client.subscribe(request, {
    ...sink,
    error: (error) => (isOpen || isRefusal(error) ? sink.error(readable(error)) : onNotOpened()),
  });
}

function overServerSentEvents(endpoint, request, headers, sink) {
  const client = createSseClient({ url: endpoint, headers, retryAttempts: 0 });
  return client.subscribe(request, { ...sink, error: (error) => sink.error(readable(error)) });
}

// Header names are case-insensitive, JSON keys are not.
function initPayload(headers) {
  const { authorization, ...rest } = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [/^authorization$/i.test(name) ? "authorization" : name, value]),
  );
  return authorization ? { ...rest, Authorization: authorization } : rest;
}

// The server refused with an error or a close code of 4400 to 4499. Another transport would be refused as well.
function isRefusal(error) {
  return Array.isArray(error) || (error?.code >= 4400 && error?.code < 4500);
}

// Clients report a list of GraphQL errors, a CloseEvent or an Error. GraphiQL shows lists and objects with a message.
function readable(error) {
  if (Array.isArray(error)) return error;
  if (error instanceof CloseEvent) return { message: `Connection closed: ${error.code} ${error.reason}`.trim() };
  return { message: error.message };
}
