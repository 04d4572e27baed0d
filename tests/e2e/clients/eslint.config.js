// Rules of graphql-eslint for the printed schema and the example documents.
// Each disabled rule or option has its reason beside it.
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
      // Only types that can be refetched by id (Node) have one. Failures, progress, pages and figures are values.
      '@graphql-eslint/strict-id-in-types': 'off',
      '@graphql-eslint/relay-edge-types': ['error', {
        withEdgeSuffix: true,
        // A prime in a page is a number and its index, which cannot be refetched: PrimeEdge's node is not a Node.
        shouldImplementNode: false,
        // Short lists without pages are plain: issues, workers, the values of a batch.
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
    // Each example is a separate program that does the same as the others.
    rules: { '@graphql-eslint/unique-operation-name': 'off' },
  },
];
