#!/bin/sh
# Submit a job and follow it with curl over Server-Sent Events. Requires curl and jq.
#
#   sh follow_sse.sh [address]
set -eu
address=${1:-http://127.0.0.1:8000}

submit='mutation { generatePrimes(input: {count: 10}) {
  ... on GeneratePrimesAccepted { job { id } }
  ... on UserError { code message }
} }'
follow='subscription ($id: ID!) { jobUpdates(id: $id) {
  ... on JobUpdate { job { status progress { done total } } }
  ... on UserError { code message }
} }'
page='query ($id: ID!) { job(id: $id) { primes(first: 10) { values } } }'

# post QUERY ID [CURL OPTIONS...]
post() {
    body=$(jq -n --arg query "$1" --arg id "$2" '{query: $query, variables: {id: $id}}')
    shift 2
    # Sends the API key, if the server requires authentication.
    curl ${PRIMES_KEY:+--header "Authorization: Bearer $PRIMES_KEY"} --silent --show-error --fail-with-body --header 'Content-Type: application/json' --data "$body" "$@" "$address/graphql"
}

id=$(post "$submit" "" | jq -er '.data.generatePrimes | .job.id // error(.message)')

# curl exits when the server closes the stream, after the final state.
post "$follow" "$id" --no-buffer --header 'Accept: text/event-stream'

post "$page" "$id" | jq -r '.data.job.primes.values | join(" ")'
