// Submit a job and follow it with Apollo Client: plain HTTP, updates as a multipart response.
//
//   node apollo.mjs [address]

import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client';

const address = process.argv[2] ?? 'http://127.0.0.1:8000';
// The API key, if the server requires authentication.
const headers = process.env.PRIMES_KEY ? { Authorization: `Bearer ${process.env.PRIMES_KEY}` } : {};
const client = new ApolloClient({
  link: new HttpLink({ uri: `${address}/graphql`, headers }),
  cache: new InMemoryCache({
    // The types that `... on UserError` matches.
    possibleTypes: {
      UserError: [
        'BackendUnavailable', 'IdempotencyConflict', 'JobAlreadyFinished', 'JobNotFound',
        'JobNotRetryable', 'QueueFull', 'RateLimited', 'ValidationError',
      ],
    },
  }),
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

const submitted = (await client.mutate({ mutation: SUBMIT, variables: { input: { count: 10 } } })).data.generatePrimes;
if (submitted.code) throw new Error(submitted.message);

// The current state, then each newer one; the server completes the stream after the final one.
await new Promise((complete, fail) => {
  client.subscribe({ query: FOLLOW, variables: { id: submitted.job.id } }).subscribe({
    next({ data, error }) {
      if (error) return fail(error);
      const event = data.jobUpdates;
      if (event.code) return fail(new Error(event.message));
      console.log(event.job.status, `${event.job.progress.done}/${event.job.progress.total}`);
    },
    error: fail,
    complete,
  });
});

const { job } = (await client.query({ query: PAGE, variables: { id: submitted.job.id } })).data;
console.log(job.primes.values.join(' '));
