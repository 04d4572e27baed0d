// The GraphQL client: queries and mutations by POST, subscriptions by streams.ts. No cache: every view shows what the
// server says now.
import { retryExchange } from "@urql/exchange-retry";
import { Client, fetchExchange, mapExchange, subscriptionExchange, type CombinedError } from "urql";

import { GRAPHQL_URL } from "./addresses";
import { reportConnection } from "./connection";
import { authorization, refuseKey } from "./key";
import { createStreams } from "./streams";

const FIRST_RETRY_MS = 300;
const LONGEST_RETRY_MS = 5000;

export interface Api {
  client: Client;
  dispose: () => void;
}

export function createApi(key: string | null): Api {
  const streams = createStreams(key);
  const client = new Client({
    url: GRAPHQL_URL,
    preferGetMethod: false,
    requestPolicy: "network-only",
    fetchOptions: { headers: authorization(key) },
    exchanges: [
      // Queries only: a repeated mutation is the user's decision.
      retryExchange({
        initialDelayMs: FIRST_RETRY_MS,
        maxDelayMs: LONGEST_RETRY_MS,
        maxNumberAttempts: Infinity,
        retryIf: (error, operation) => operation.kind === "query" && isTemporary(error),
      }),
      mapExchange({
        onResult: (result) => {
          if (result.operation.kind !== "subscription") report(result.error, key);
        },
      }),
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: (payload) => ({
          subscribe: (sink) => ({ unsubscribe: streams.subscribe({ ...payload, query: payload.query ?? "" }, sink) }),
        }),
      }),
    ],
  });
  return { client, dispose: streams.dispose };
}

function report(error: CombinedError | undefined, key: string | null): void {
  if (error === undefined) reportConnection("online");
  else if (hasCode(error, "UNAUTHENTICATED") || statusOf(error) === 401) refuseKey(key);
  else if (hasCode(error, "BACKEND_UNAVAILABLE")) reportConnection("store away");
  else if (error.networkError) reportConnection("API away");
}

// A response with an error status is a network error to urql, if its body is not GraphQL.
const isTemporary = (error: CombinedError): boolean =>
  hasCode(error, "BACKEND_UNAVAILABLE") ||
  hasCode(error, "RATE_LIMITED") ||
  (error.networkError !== undefined && !(statusOf(error) >= 400 && statusOf(error) < 500));

const hasCode = (error: CombinedError, code: string): boolean =>
  error.graphQLErrors.some(({ extensions }) => extensions.code === code);

const statusOf = (error: CombinedError): number => (error.response as Response | undefined)?.status ?? 0;
