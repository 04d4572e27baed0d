// Submit a job and follow it with graphql-sse: plain HTTP, updates as Server-Sent Events.
//
//   node graphql-sse.mjs [address]

import { createClient } from 'graphql-sse';

const address = process.argv[2] ?? 'http://127.0.0.1:8000';
// The API key, if the server requires authentication.
const headers = process.env.PRIMES_KEY ? { Authorization: `Bearer ${process.env.PRIMES_KEY}` } : {};
const client = createClient({ url: `${address}/graphql`, headers });

const SUBMIT = /* GraphQL */ `
  mutation Submit($input: GeneratePrimesInput!) {
    generatePrimes(input: $input) {
      ... on GeneratePrimesAccepted { job { id } }
      ... on UserError { code message }
    }
  }
`;
const FOLLOW = /* GraphQL */ `
  subscription Follow($id: ID!) {
    jobUpdates(id: $id) {
      ... on JobUpdate { job { id status progress { done total } } }
      ... on UserError { code message }
    }
  }
`;
const PAGE = /* GraphQL */ `
  query Page($id: ID!) {
    job(id: $id) { id primes(first: 10) { values } }
  }
`;

async function* results(query, variables) {
  for await (const { data, errors } of client.iterate({ query, variables })) {
    if (errors) throw new Error(errors[0].message);
    yield data;
  }
}

async function first(query, variables) {
  for await (const data of results(query, variables)) return data;
}

const { generatePrimes: submitted } = await first(SUBMIT, { input: { count: 10 } });
if (submitted.code) throw new Error(submitted.message);

// The current state, then each newer one; the server completes the stream after the final one.
for await (const { jobUpdates: event } of results(FOLLOW, { id: submitted.job.id })) {
  if (event.code) throw new Error(event.message);
  console.log(event.job.status, `${event.job.progress.done}/${event.job.progress.total}`);
}

const { job } = await first(PAGE, { id: submitted.job.id });
console.log(job.primes.values.join(' '));
client.dispose();
