// Apollo Client over a given link, with its normalising cache.
import { ApolloClient, gql, InMemoryCache } from '@apollo/client';
import { readFileSync } from 'node:fs';
import { buildSchema, isAbstractType } from 'graphql';

export function connectApollo(link, close = () => {}) {
  const client = new ApolloClient({ link, cache: new InMemoryCache({ possibleTypes: possibleTypes() }) });
  return {
    async execute(query, variables) {
      const document = gql(query);
      const isMutation = document.definitions[0].operation === 'mutation';
      return (isMutation
        ? await client.mutate({ mutation: document, variables })
        : await client.query({ query: document, variables, fetchPolicy: 'network-only' })).data;
    },
    async *subscribe(query, variables) {
      yield* iterate(client.subscribe({ query: gql(query), variables }));
    },
    // What the cache contains, without a request to the server.
    cached: (query, variables) => client.readQuery({ query: gql(query), variables }),
    close() {
      client.stop();
      close();
    },
  };
}

function possibleTypes() {
  const schema = buildSchema(readFileSync(new URL('../schema.graphql', import.meta.url), 'utf8'));
  const abstract = Object.values(schema.getTypeMap()).filter(isAbstractType);
  return Object.fromEntries(abstract.map((type) => [type.name, schema.getPossibleTypes(type).map((each) => each.name)]));
}

// Converts an observable to an iterator; leaving the loop unsubscribes.
async function* iterate(observable) {
  const buffer = [];
  let wake = () => {};
  const put = (item) => { buffer.push(item); wake(); };
  const subscription = observable.subscribe({
    next: ({ data, error }) => put(error ? { error } : { data }),
    error: (error) => put({ error }),
    complete: () => put({ isDone: true }),
  });
  try {
    while (true) {
      while (buffer.length === 0) await new Promise((resolve) => { wake = resolve; });
      const { data, error, isDone } = buffer.shift();
      if (error) throw error;
      if (isDone) return;
      yield data;
    }
  } finally {
    subscription.unsubscribe();
  }
}
