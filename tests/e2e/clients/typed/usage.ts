// Code that the types of graphql-codegen must accept, and code that they must reject. Checked by tsc, never run.
import type { ApolloClient } from '@apollo/client';
import { CancelDocument, FollowDocument, PageDocument, SubmitDocument } from './generated/graphql';
import type { JobStateFragment, JobStatus, PageQuery, SubmitMutation } from './generated/graphql';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
const same = <A, B>(_: Equal<A, B>): void => {};

// Numbers are numbers, times are strings, and no type is `any`.
same<JobStateFragment['start'], number>(true);
same<JobStateFragment['createdAt'], string>(true);
same<JobStateFragment['progress']['done'], number>(true);
same<JobStatus, 'QUEUED' | 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED'>(true);
same<NonNullable<PageQuery['job']>['primes']['edges'][number]['node']['value'], number>(true);

// Every outcome has a type name, and after all of them the type is `never`.
export function outcome(result: SubmitMutation['generatePrimes']): string {
  switch (result.__typename) {
    case 'GeneratePrimesAccepted':
      return result.job.id;
    case 'ValidationError':
      return result.issues.map((issue) => `${issue.path.join('.')}: at most ${issue.max ?? 'any'}`).join();
    case 'IdempotencyConflict':
    case 'QueueFull':
    case 'RateLimited':
    case 'BackendUnavailable':
      return result.retryable ? 'try again' : result.message;
    default:
      return result satisfies never;
  }
}

export async function run(client: ApolloClient): Promise<void> {
  const { data } = await client.mutate({ mutation: SubmitDocument, variables: { input: { count: 10 } } });
  if (data?.generatePrimes.__typename !== 'GeneratePrimesAccepted') return;
  const { id } = data.generatePrimes.job;
  client.subscribe({ query: FollowDocument, variables: { id } }).subscribe(({ data }) => {
    if (data?.jobUpdates.__typename === 'JobUpdate') same<typeof data.jobUpdates.job.version, number>(true);
  });
  await client.query({ query: PageDocument, variables: { id, first: 10 } });

  // @ts-expect-error -- count is required
  await client.mutate({ mutation: SubmitDocument, variables: { input: {} } });
  // @ts-expect-error -- count is a number
  await client.mutate({ mutation: SubmitDocument, variables: { input: { count: '10' } } });
  // @ts-expect-error -- an id is required
  await client.mutate({ mutation: CancelDocument, variables: {} });
  // @ts-expect-error -- a failure has no job
  data.generatePrimes.__typename === 'QueueFull' && data.generatePrimes.job;
}
