// urql with its document cache, and subscriptions over a given transport.
import { cacheExchange, Client, fetchExchange, gql } from '@urql/core';
import { toAsyncIterable } from 'wonka';

export function connectUrql(url, { exchanges = [], fetchSubscriptions = false, fetch, close = () => {} }) {
  const client = new Client({
    url,
    exchanges: [cacheExchange, ...exchanges, fetchExchange],
    fetchSubscriptions,
    fetch,
    preferGetMethod: false,
  });
  return {
    async execute(query, variables) {
      const document = gql(query);
      const isMutation = document.definitions[0].operation === 'mutation';
      return dataOf(isMutation
        ? await client.mutation(document, variables)
        : await client.query(document, variables, { requestPolicy: 'network-only' }));
    },
    async *subscribe(query, variables) {
      for await (const result of toAsyncIterable(client.subscription(gql(query), variables))) {
        // A stream over fetch repeats its last event at the end, with hasNext false.
        if (result.hasNext) yield dataOf(result);
      }
    },
    close,
  };
}

function dataOf({ data, error }) {
  if (error) throw error;
  return data;
}
