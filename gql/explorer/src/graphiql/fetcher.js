// Sends one operation to the server: queries and mutations by HTTP POST, subscriptions by subscribe.js.
// All of them include the headers from the headers editor.
import { getOperationAST, parse } from "graphql";

import { rememberJob, withJob } from "./job.js";
import { subscription } from "./subscribe.js";

// The endpoint serves this page, so the page's address is the endpoint's, with any path prefix.
const ENDPOINT = `${location.origin}${location.pathname}`;

export async function fetcher(params, { headers = {} } = {}) {
  try {
    return await send(params, headers);
  } catch (error) {
    // GraphiQL would show the stack, which is useless for minified code.
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

// Right after a change of tabs, GraphiQL still passes the operation name of the previous tab: the only operation of the
// document is used then. Undefined for a document that does not parse, since the server's error message is better.
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
    throw new Error(`The server responded with ${response.status} ${response.statusText}: ${await response.text()}`);
  }
  return response.json();
}
