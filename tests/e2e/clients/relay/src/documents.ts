// Documents of a Relay application: fragments, paging with @connection, mutations and a subscription.
// relay-compiler compiles them, and usage.ts checks the generated types.
import { graphql } from 'relay-runtime';

export const jobFragment = graphql`
  fragment documents_job on Job {
    id
    status
    isFinal
    version
    start
    createdAt
    progress { done total ratio }
    failure { reason message }
  }
`;

export const jobsFragment = graphql`
  fragment documents_jobs on Query
  @refetchable(queryName: "documentsJobsPageQuery")
  @argumentDefinitions(
    count: { type: "Int", defaultValue: 20 }
    cursor: { type: "String" }
    filter: { type: "JobFilter" }
  ) {
    jobs(first: $count, after: $cursor, filter: $filter) @connection(key: "documents_jobs", filters: ["filter"]) {
      edges { node { ...documents_job } }
      totalCount
    }
  }
`;

export const primesFragment = graphql`
  fragment documents_primes on Job
  @refetchable(queryName: "documentsPrimesPageQuery")
  @argumentDefinitions(
    first: { type: "Int", defaultValue: 100 }
    after: { type: "String" }
    last: { type: "Int" }
    before: { type: "String" }
  ) {
    primes(first: $first, after: $after, last: $last, before: $before) @connection(key: "documents_primes") {
      edges { node { index value } }
      availableCount
    }
  }
`;

export const jobsQuery = graphql`
  query documentsJobsQuery($filter: JobFilter) {
    ...documents_jobs @arguments(filter: $filter)
    limits { maxCount maxStart }
  }
`;

export const jobQuery = graphql`
  query documentsJobQuery($id: ID!) {
    job(id: $id) { ...documents_job ...documents_primes }
    node(id: $id) { ...documents_job @alias(as: "asJob") }
  }
`;

export const submitMutation = graphql`
  mutation documentsSubmitMutation($input: GeneratePrimesInput!) {
    generatePrimes(input: $input) {
      __typename
      ... on GeneratePrimesAccepted { outcome job { id ...documents_job } }
      ... on ValidationError { issues { path message min max } }
      ... on UserError { code message retryable }
    }
  }
`;

export const cancelMutation = graphql`
  mutation documentsCancelMutation($id: ID!) {
    cancelJob(id: $id) {
      ... on CancelJobAccepted { job { ...documents_job } }
      ... on UserError { code message }
    }
  }
`;

export const followSubscription = graphql`
  subscription documentsFollowSubscription($id: ID!) {
    jobUpdates(id: $id) {
      ... on JobUpdate { coalesced job { ...documents_job } }
      ... on UserError { code message }
    }
  }
`;
