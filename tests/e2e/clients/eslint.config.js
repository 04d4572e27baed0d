// The printed schema and our example documents under graphql-eslint's rule sets.
// A rule is off, or has options, only where the contract means it otherwise; the reason stands beside it.
import graphql from '@graphql-eslint/eslint-plugin';

const plugins = { '@graphql-eslint': graphql };
const graphQLConfig = { schema: 'schema.graphql', documents: 'operations/*.graphql' };
const languageOptions = { parser: graphql.parser, parserOptions: { graphQLConfig } };

export default [
  {
    files: ['schema.graphql'],
    plugins,
    languageOptions,
    rules: {
      ...graphql.configs['flat/schema-recommended'].rules,
      ...graphql.configs['flat/schema-relay'].rules,
      // An id is for what can be fetched again by it (Node). Failures, progress, pages and figures are values.
      '@graphql-eslint/strict-id-in-types': 'off',
      '@graphql-eslint/relay-edge-types': ['error', {
        withEdgeSuffix: true,
        // A prime in a page is a number and its index, not something to fetch again: PrimeEdge's node is no Node.
        shouldImplementNode: false,
        // Short lists that nobody pages through are plain: issues, workers, a batch's values.
        listTypeCanWrapOnlyEdgeType: false,
      }],
    },
  },
  { files: ['examples/**/*.mjs'], plugins, processor: graphql.processor },
  {
    files: ['operations/*.graphql', 'examples/**/*.graphql'],
    plugins,
    languageOptions,
    rules: graphql.configs['flat/operations-recommended'].rules,
  },
  {
    files: ['examples/**/*.graphql'],
    // Each example is a program of its own, and all do the same.
    rules: { '@graphql-eslint/unique-operation-name': 'off' },
  },
];
