// Submit a job and follow it with urql: plain HTTP, updates as Server-Sent Events.
//
//   node urql.mjs [address]

import { cacheExchange, Client, fetchExchange, gql } from '@urql/core';
import { toAsyncIterable } from 'wonka';

const address = process.argv[2] ?? 'http://127.0.0.1:8000';
// The API key, if the server requires authentication.
const headers = process.env.PRIMES_KEY ? { Authorization: `Bearer ${process.env.PRIMES_KEY}` } : {};
const client = new Client({
  url: `${address}/graphql`,
  fetchOptions: { headers },
  exchanges: [cacheExchange, fetchExchange],
  preferGetMethod: false, // By default, the server accepts operations by POST only.
  fetchSubscriptions: true,
});

const SUBMIT = gql`
  mutation Submit($input: GeneratePrimesInput!) {
    generatePrimes(input: $input) {
      ... on GeneratePrimesAccepted { job { id } }
      ... on UserError { code message }
    }
  }
`;
const FOLLOW = gql`
  subscription Follow($id: ID!) {
    jobUpdates(id: $id) {
      ... on JobUpdate { job { id status progress { done total } } }
      ... on UserError { code message }
    }
  }
`;
const PAGE = gql`
  query Page($id: ID!) {
    job(id: $id) { id primes(first: 10) { values } }
  }
`;

function dataOf({ data, error }) {
  if (error) throw error;
  return data;
}

const { generatePrimes: submitted } = dataOf(await client.mutation(SUBMIT, { input: { count: 10 } }));
if (submitted.code) throw new Error(submitted.message);

// The current state, then each newer one; the server completes the stream after the final one.
// urql then repeats the last event with hasNext false.
for await (const result of toAsyncIterable(client.subscription(FOLLOW, { id: submitted.job.id }))) {
  const event = dataOf(result).jobUpdates;
  if (!result.hasNext) continue;
  if (event.code) throw new Error(event.message);
  console.log(event.job.status, `${event.job.progress.done}/${event.job.progress.total}`);
}

const { job } = dataOf(await client.query(PAGE, { id: submitted.job.id }));
console.log(job.primes.values.join(' '));
