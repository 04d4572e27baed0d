// The WebSocket (graphql-transport-ws) that carries all subscriptions of the page. Reconnects by itself and subscribes
// again; the server then sends the current state first.
import { createClient, type Client } from "graphql-ws";

import { GRAPHQL_URL } from "./addresses";
import { backoffMs, sleep } from "./backoff";
import { reportConnection } from "./connection";
import { authorization, refuseKey } from "./key";

// A server acknowledges within milliseconds, a busy one in seconds. A proxy that drops the upgrade never does.
const CONNECT_TIMEOUT_MS = 10_000;
// A laptop that wakes up finds its connection dead without any event.
const PING_EVERY_MS = 15_000;
const PONG_TIMEOUT_MS = 5000;
// Between two views, the connection stays open.
const IDLE_MS = 10_000;

const NORMAL = 1000;
const TRY_AGAIN_LATER = 1013;
const FORBIDDEN = 4403;
const TERMINATED = 4499;

export interface Socket {
  client: Client;
  // Whether another transport is needed: the first attempt to connect has failed.
  isBlocked: () => boolean;
}

export function createSocket(key: string | null): Socket {
  let isReachable = false;
  let isBlocked = false;
  let timeout: ReturnType<typeof setTimeout> | undefined;
  const terminateAfter = (ms: number) => {
    clearTimeout(timeout);
    timeout = setTimeout(() => client.terminate(), ms);
  };
  const client = createClient({
    url: GRAPHQL_URL.replace(/^http/, "ws"),
    connectionParams: authorization(key),
    lazyCloseTimeout: IDLE_MS,
    keepAlive: PING_EVERY_MS,
    retryAttempts: Infinity,
    retryWait: (attempt) => sleep(backoffMs(attempt)),
    shouldRetry: (error) => isReachable && !isRefusal(error),
    on: {
      connecting: () => terminateAfter(CONNECT_TIMEOUT_MS),
      connected: () => {
        clearTimeout(timeout);
        isReachable = true;
        reportConnection("online");
      },
      ping: (isReceived) => {
        if (!isReceived) terminateAfter(PONG_TIMEOUT_MS);
      },
      pong: (isReceived) => {
        if (isReceived) clearTimeout(timeout);
      },
      closed: (event) => {
        clearTimeout(timeout);
        const code = closeCode(event);
        if (code === TRY_AGAIN_LATER) isReachable = true;
        if (code === FORBIDDEN) refuseKey(key);
        else if (!isReachable) isBlocked = true;
        else if (code !== NORMAL) reportConnection(code === TRY_AGAIN_LATER ? "store away" : "API away");
      },
    },
  });
  return { client, isBlocked: () => isBlocked };
}

const closeCode = (event: unknown): number => (event as { code?: number } | null)?.code ?? 0;

// Another attempt would be refused as well.
export const isRefusal = (error: unknown): boolean => closeCode(error) >= 4400 && closeCode(error) < TERMINATED;
