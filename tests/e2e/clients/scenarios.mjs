// Runs one scenario with one client against a running server, and prints its result as JSON for the test.
//
//   node scenarios.mjs CLIENT SCENARIO URL [JOB]
//
// The process exits when the client has closed all connections and timers.

import { readFileSync } from 'node:fs';

const scenarios = { follow, page, cancel, stream, unknown, refused, leave, resume };
const [, , name, scenario, url, id] = process.argv;
const { connect } = await import(`./connect/${name}.mjs`);
// Only `resume` may reconnect: in the other scenarios, a lost connection is a failure.
const client = connect(url, { retryAttempts: scenario === 'resume' ? 300 : 0 });

console.log(JSON.stringify(await scenarios[scenario]()));
await client.close();

async function follow() {
  const submitted = await submit(10);
  const updates = await all(client.subscribe(operation('follow'), { id: submitted.job.id }));
  const again = await all(client.subscribe(operation('follow'), { id: submitted.job.id }));
  const { job } = await client.execute(operation('state'), { id: submitted.job.id });
  const cached = client.cached?.(operation('state'), { id: submitted.job.id }).job;
  const hashes = client.hashes?.sent;
  return { submitted, updates: eventsOf(updates), again: eventsOf(again), job, cached: cached ?? job, hashes };
}

async function page() {
  const { job } = await submit(25, 30_000);
  const forwards = [];
  for (let after = null, more = true; more;) {
    const { primes } = (await client.execute(operation('page'), { id: job.id, first: 10, after })).job;
    forwards.push(primes.edges.map(({ node }) => node.value));
    ({ endCursor: after, hasNextPage: more } = primes.pageInfo);
  }
  const backwards = [];
  for (let before = null, more = true; more;) {
    const { primes } = (await client.execute(operation('page'), { id: job.id, last: 10, before })).job;
    backwards.unshift(primes.edges.map(({ node }) => node.value));
    ({ startCursor: before, hasPreviousPage: more } = primes.pageInfo);
  }
  return { forwards, backwards };
}

// The test pauses the worker meanwhile.
async function cancel() {
  const { job } = await submit(10);
  const updates = [];
  let cancelled;
  for await (const { jobUpdates } of client.subscribe(operation('follow'), { id: job.id })) {
    updates.push(jobUpdates);
    cancelled ??= (await client.execute(operation('cancel'), { id: job.id })).cancelJob;
  }
  const again = (await client.execute(operation('cancel'), { id: job.id })).cancelJob;
  return { cancelled, updates, again };
}

async function stream() {
  const { job } = await submit(2500);
  const batches = await all(client.subscribe(operation('stream'), { id: job.id, fromIndex: 5 }));
  return batches.map(({ primeStream }) => primeStream);
}

async function unknown() {
  return eventsOf(await all(client.subscribe(operation('follow'), { id: '01945b7e-1c2d-7abc-8def-0123456789ab' })));
}

async function refused() {
  return submit(0);
}

// Leaves the loop after the first event of a job that is not final.
async function leave() {
  const { job } = await submit(10);
  for await (const { jobUpdates } of client.subscribe(operation('follow'), { id: job.id })) return jobUpdates;
}

// The test kills and restarts the server meanwhile, so each event is printed at once.
async function resume() {
  for await (const { jobUpdates } of client.subscribe(operation('follow'), { id })) {
    console.log(JSON.stringify(jobUpdates));
  }
  return 'complete';
}

async function submit(count, waitMs = 0) {
  return (await client.execute(operation('submit'), { input: { count }, waitMs })).generatePrimes;
}

async function all(events) {
  const collected = [];
  for await (const event of events) collected.push(event);
  return collected;
}

function eventsOf(results) {
  return results.map(({ jobUpdates }) => jobUpdates);
}

function operation(name) {
  const text = read(name);
  return text.includes('...JobState') ? `${text}\n${read('job-state')}` : text;
}

function read(name) {
  return readFileSync(new URL(`operations/${name}.graphql`, import.meta.url), 'utf8');
}
