// The tabs of a first visit, one step of a job's life each. Their titles are the names of the operations.
// An empty id is filled in with the job submitted last (job.js).

const submit = `# 1. Submit a job. With waitMs, a small one comes
#    back finished in the same answer. Expected
#    failures are data: each is a UserError.
mutation Submit($input: GeneratePrimesInput!, $waitMs: Int! = 0) {
  generatePrimes(input: $input, waitMs: $waitMs) {
    __typename
    ... on GeneratePrimesAccepted {
      outcome
      job {
        id
        status
        version
        progress {
          done
          total
        }
        primes(first: 10) {
          values
        }
      }
    }
    ... on UserError {
      code
      message
      retryable
    }
  }
}
`;

const follow = `# 2. Follow it: the state now, then every newer
#    version, until it is final.
#    Empty id: the job submitted last.
subscription Follow($id: ID!) {
  jobUpdates(id: $id) {
    __typename
    ... on JobUpdate {
      job {
        id
        status
        version
        isFinal
        progress {
          done
          total
          ratio
          etaMs
        }
      }
      coalesced
    }
    ... on UserError {
      code
      message
    }
  }
}
`;

const page = `# 3. Page through the result. For the next page,
#    pageInfo.endCursor goes into "after".
#    Empty id: the job submitted last.
query Page($id: ID!, $first: Int, $after: String) {
  job(id: $id) {
    id
    status
    primes(first: $first, after: $after) {
      offset
      availableCount
      totalCount
      pageInfo {
        hasNextPage
        endCursor
      }
      values
    }
  }
}
`;

const cancel = `# 4. Cancel it. Final at once: whatever a worker
#    still writes for it is refused.
#    Empty id: the job submitted last.
mutation Cancel($id: ID!) {
  cancelJob(id: $id) {
    __typename
    ... on CancelJobAccepted {
      job {
        id
        status
        version
      }
    }
    ... on UserError {
      code
      message
    }
  }
}
`;

// Beside /graphql, under the same path prefix.
const root = new URL("./", location.href).href.replace(/\/$/, "");

const rest = `# 5. The same without GraphQL, in a shell. Keys are
#    headers here too: -H 'Authorization: Bearer ...'
#
#    API=${root}
#
# Submit:
#    curl -X POST "$API/generate?n=1000"
#    curl $API/generate -d '{"n": 1000}' \\
#      -H 'Content-Type: application/json' \\
#      -H 'Idempotency-Key: my-key'
#
# Follow, waiting up to 10 s for the end:
#    JOB=REQUEST_ID
#    curl -H 'Prefer: wait=10' $API/status/$JOB
#
# Page, or fetch the whole result:
#    curl $API/jobs/$JOB/primes.csv
#    curl -O $API/jobs/$JOB/primes.parquet
#
# Cancel is a mutation, over plain HTTP:
#    curl $API/graphql \\
#      -H 'Content-Type: application/json' \\
#      -d '{"query": "mutation { cancelJob(id: \\"'$JOB'\\") { __typename } }"}'
#
# Manual: ${root}/docs
#
# And what bounds all of it:
query REST {
  limits {
    maxCount
    maxStart
    maxPageSize
    maxWaitMs
  }
}
`;

const variables = (values) => JSON.stringify(values, null, 2);

export const defaultTabs = [
  { query: submit, variables: variables({ input: { count: 1000, start: 2 }, waitMs: 1000 }) },
  { query: follow, variables: variables({ id: "" }) },
  { query: page, variables: variables({ id: "", first: 100, after: null }) },
  { query: cancel, variables: variables({ id: "" }) },
  { query: rest },
];

// GraphiQL shows the first tab's variables only when they are given separately as well, and given on a later visit
// they would replace what the reader had written.
export function firstVisitVariables() {
  return localStorage.getItem("graphiql:tabState") ? undefined : defaultTabs[0].variables;
}
