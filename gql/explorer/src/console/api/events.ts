// Subscriptions as Server-Sent Events over POST, where WebSockets do not open, for example behind some proxies.
import { createClient, type RequestParams, type Sink } from "graphql-sse";

import { GRAPHQL_URL } from "./addresses";
import { authorization } from "./key";

// Over HTTP/1.1 a browser opens at most six connections to a server. Two are left for queries. Rows of the table whose
// streams wait are refreshed with the table.
const MAX_STREAMS = 4;

export interface EventStreams {
  subscribe: (request: RequestParams, sink: Sink<never>) => () => void;
  dispose: () => void;
}

export function createEventStreams(key: string | null): EventStreams {
  // streams.ts tries again.
  const client = createClient({ url: GRAPHQL_URL, headers: authorization(key), retryAttempts: 0 });
  const waiting = new Set<() => void>();
  let open = 0;

  function release() {
    open -= 1;
    // After all that end at this moment: the rows of a view that goes would open the streams of each other.
    queueMicrotask(startNext);
  }
  function startNext() {
    const [next] = waiting;
    if (next === undefined || open >= MAX_STREAMS) return;
    waiting.delete(next);
    next();
  }

  function subscribe(request: RequestParams, sink: Sink<never>) {
    let stop: (() => void) | undefined;
    let isOver = false;
    const end = () => {
      if (isOver) return;
      isOver = true;
      if (stop !== undefined) release();
    };
    const start = () => {
      open += 1;
      stop = client.subscribe(request, {
        next: (result) => sink.next(result as never),
        error: (error) => {
          end();
          sink.error(error);
        },
        complete: () => {
          end();
          sink.complete();
        },
      });
    };
    if (open < MAX_STREAMS) start();
    else waiting.add(start);
    return () => {
      waiting.delete(start);
      end();
      stop?.();
    };
  }

  return { subscribe, dispose: client.dispose };
}
