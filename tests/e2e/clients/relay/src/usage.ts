// Code that the types of relay-compiler must accept, and code that they must reject. Checked by tsc, never run.
import type { documents_job$data } from './__generated__/documents_job.graphql';
import type { documents_primes$data } from './__generated__/documents_primes.graphql';
import type { documentsJobQuery } from './__generated__/documentsJobQuery.graphql';
import type { documentsSubmitMutation } from './__generated__/documentsSubmitMutation.graphql';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
const same = <A, B>(_: Equal<A, B>): void => {};

same<documents_job$data['start'], number>(true);
same<documents_job$data['createdAt'], string>(true);
same<documents_primes$data['primes']['edges'][number]['node']['value'], number>(true);

export const submit: documentsSubmitMutation['variables'] = { input: { count: 10, start: 2 } };
export const query: documentsJobQuery['variables'] = { id: 'an id' };

// @ts-expect-error -- count is required
export const without: documentsSubmitMutation['variables'] = { input: {} };
// @ts-expect-error -- count is a number
export const text: documentsSubmitMutation['variables'] = { input: { count: '10' } };

// The type of a union with `... on UserError` is one object whose unshared fields are optional.
export function outcome(result: documentsSubmitMutation['response']['generatePrimes']): string {
  if (result.job) return result.job.id;
  if (result.issues) return result.issues.map((issue) => `${issue.path.join('.')}: at most ${issue.max ?? 'any'}`).join();
  if (result.code === 'QUEUE_FULL') return 'try again';
  // @ts-expect-error -- the code does not exist
  if (result.code === 'QUEUE_EMPTY') return '';
  // @ts-expect-error -- the message may be missing
  return result.message;
}
