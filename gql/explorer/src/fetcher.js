// One operation from the editor to the server: queries and mutations by HTTP POST, subscriptions by subscribe.js.
// The headers editor's content goes with every one of them.
import { getOperationAST, parse } from "graphql";

import { rememberJob, withJob } from "./job.js";
import { subscription } from "./subscribe.js";

// This page is served by the endpoint itself, so its own address is the endpoint's, under any path prefix.
const ENDPOINT = `${location.origin}${location.pathname}`;

export async function fetcher(params, { headers = {} } = {}) {
  try {
    return await send(params, headers);
  } catch (error) {
    // GraphiQL would show it, and a stack of minified code tells nobody anything.
    delete error.stack;
    throw error;
  }
}

async function send({ query, variables, operationName }, headers) {
  const operation = operationIn(query, operationName);
  const request = withJob({ query, variables, operationName: operation?.name?.value }, operation);
  if (operation?.operation === "subscription") return subscription(ENDPOINT, request, headers);
  const result = await post(request, headers);
  if (operation?.operation === "mutation") rememberJob(result);
  return result;
}

// For a moment after a change of tab GraphiQL still names the operation of the tab before: then the only one is meant.
// Undefined for a document that does not parse, since the server's own message about it is the better one.
function operationIn(query, name) {
  try {
    const document = parse(query);
    return getOperationAST(document, name) ?? getOperationAST(document);
  } catch {
    return undefined;
  }
}

async function post(request, headers) {
  const response = await fetch(ENDPOINT, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/graphql-response+json, application/json;q=0.9",
      ...headers,
    },
    body: JSON.stringify(request),
  });
  if (!/\bjson\b/.test(response.headers.get("content-type"))) {
    throw new Error(`The server answered ${response.status} ${response.statusText}: ${await response.text()}`);
  }
  return response.json();
}
