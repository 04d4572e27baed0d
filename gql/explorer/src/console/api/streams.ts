// Subscriptions that go on: over a WebSocket, else as Server-Sent Events, and again after whatever ended them too early.
// A view gets data only; the status bar says what is away.
import type { SubscribePayload } from "graphql-ws";
import type { ExecutionResult } from "urql";

import { backoffMs } from "./backoff";
import { reportConnection } from "./connection";
import { createEventStreams } from "./events";
import { refuseKey } from "./key";
import { createSocket, isRefusal } from "./socket";

interface Sink {
  next: (result: ExecutionResult) => void;
  complete: () => void;
}
type Variables = Record<string, unknown>;
// What the events of all subscriptions have in common.
interface StreamEvent {
  __typename?: string;
  retryAfterMs?: number;
  offset?: number;
  values?: unknown[];
}
interface GraphQLError {
  message: string;
  extensions?: { code?: string; retryAfterMs?: number };
}

const RETRY_AFTER_MS = 1000;

export interface Streams {
  subscribe: (payload: SubscribePayload, sink: Sink) => () => void;
  dispose: () => void;
}

export function createStreams(key: string | null): Streams {
  const socket = createSocket(key);
  const events = createEventStreams(key);

  function subscribe(payload: SubscribePayload, sink: Sink) {
    // Changed in place: graphql-ws sends it again when it reconnects.
    const { query, operationName, variables } = payload;
    const request = { query, operationName: operationName ?? undefined, variables: { ...variables } as Variables };
    let stop = () => {};
    let timer: ReturnType<typeof setTimeout> | undefined;
    let failures = 0;
    let waitMs: number | null = null;
    let isStopped = false;
    // Why the server is about to end the stream.
    let failure: GraphQLError[] | null = null;

    const retry = (ms: number) => {
      if (!isStopped) timer = setTimeout(open, ms);
    };
    function next(result: ExecutionResult) {
      if (result.errors?.length && !result.data) {
        failure = result.errors as GraphQLError[];
        return;
      }
      const [field, event] = (Object.entries(result.data ?? {})[0] ?? []) as [string?, StreamEvent?];
      if (event?.__typename === "BackendUnavailable") {
        reportConnection("store away");
        waitMs = event.retryAfterMs ?? RETRY_AFTER_MS;
        return;
      }
      failures = 0;
      reportConnection("online");
      // systemStats never completes, except when the server shuts down.
      waitMs = field === "systemStats" ? RETRY_AFTER_MS : null;
      if (event?.values && event.offset !== undefined) request.variables.fromIndex = event.offset + event.values.length;
      sink.next(result);
    }
    function complete() {
      if (failure !== null) graphqlError(failure);
      else if (waitMs === null) sink.complete();
      else retry(waitMs);
    }
    function error(cause: unknown) {
      if (Array.isArray(cause)) graphqlError(cause as GraphQLError[]);
      else if ((cause as { response?: Response }).response?.status === 401) refuseKey(key);
      else if (!isRefusal(cause)) lost();
    }
    function graphqlError(errors: GraphQLError[]) {
      const { code, retryAfterMs } = errors[0]?.extensions ?? {};
      if (code === "UNAUTHENTICATED") return refuseKey(key);
      if (code !== "BACKEND_UNAVAILABLE" && code !== "RATE_LIMITED") {
        sink.next({ errors: errors as never });
        return sink.complete();
      }
      if (code === "BACKEND_UNAVAILABLE") reportConnection("store away");
      retry(retryAfterMs ?? RETRY_AFTER_MS);
    }
    function lost() {
      if (failures > 0) reportConnection("API away");
      // The first loss may be of the WebSocket alone.
      retry(failures === 0 ? 0 : backoffMs(failures));
      failures += 1;
    }
    function open() {
      waitMs = null;
      failure = null;
      const handlers = { next: next as never, complete, error };
      stop = socket.isBlocked() ? events.subscribe(request, handlers) : socket.client.subscribe(request, handlers);
    }

    open();
    return () => {
      isStopped = true;
      clearTimeout(timer);
      stop();
    };
  }

  return {
    subscribe,
    dispose: () => {
      void socket.client.dispose();
      events.dispose();
    },
  };
}
