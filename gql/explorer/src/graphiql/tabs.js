// The tabs of a first visit, one for each step with a job. GraphiQL titles them by the operations' names.
// An empty id is replaced by the last submitted job (job.js).

const submit = `# 1. Submit a job. With waitMs, the response to a
#    small job has its result. Expected failures
#    are data: each is a UserError.
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

const follow = `# 2. Follow it: the current state, then each newer
#    version, until the status is final.
#    Empty id: the last submitted job.
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
#    set "after" to pageInfo.endCursor.
#    Empty id: the last submitted job.
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

const cancel = `# 4. Cancel it. The status is final immediately:
#    later writes of a worker are refused.
#    Empty id: the last submitted job.
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

// The root of the API, with the path prefix of /graphql.
const root = new URL("./", location.href).href.replace(/\/$/, "");

const rest = `# 5. The same over REST, in a shell. With an API key,
#    add -H 'Authorization: Bearer ...'
#
#    API=${root}
#
# Submit:
#    curl -X POST "$API/generate?n=1000"
#    curl $API/generate -d '{"n": 1000}' \\
#      -H 'Content-Type: application/json' \\
#      -H 'Idempotency-Key: my-key'
#
# Follow, waiting up to 10 s for the final status:
#    JOB=REQUEST_ID
#    curl -H 'Prefer: wait=10' $API/status/$JOB
#
# Download the whole result:
#    curl $API/jobs/$JOB/primes.csv
#    curl -O $API/jobs/$JOB/primes.parquet
#
# Cancel (a GraphQL mutation over HTTP):
#    curl $API/graphql \\
#      -H 'Content-Type: application/json' \\
#      -d '{"query": "mutation { cancelJob(id: \\"'$JOB'\\") { __typename } }"}'
#
# API documentation: ${root}/docs
#
# Limits of requests:
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

// GraphiQL shows the first tab's variables only if they are also passed separately. On a later visit they would replace
// the user's own variables.
export function firstVisitVariables() {
  return localStorage.getItem("graphiql:tabState") ? undefined : defaultTabs[0].variables;
}
