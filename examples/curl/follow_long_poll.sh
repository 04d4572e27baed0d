#!/bin/sh
# Submit a job and follow it with curl by long polling: plain requests, no stream. Requires curl and jq.
#
#   sh follow_long_poll.sh [address]
set -eu
address=${1:-http://127.0.0.1:8000}

submit='mutation { generatePrimes(input: {count: 10}) {
  ... on GeneratePrimesAccepted { job { id version } }
  ... on UserError { code message }
} }'
# The server answers when the version is higher than the known one, or after 20 seconds.
follow='query ($id: ID!, $known: Int) { job(id: $id, waitMs: 20000, afterVersion: $known) {
  version status isFinal progress { done total }
} }'
page='query ($id: ID!) { job(id: $id) { primes(first: 10) { values } } }'

# post QUERY VARIABLES
post() {
    body=$(jq -n --arg query "$1" --argjson variables "$2" '{query: $query, variables: $variables}')
    # Sends the API key, if the server requires authentication.
    curl ${PRIMES_KEY:+--header "Authorization: Bearer $PRIMES_KEY"} --silent --show-error --fail-with-body --header 'Content-Type: application/json' --data "$body" "$address/graphql"
}

job=$(post "$submit" '{}' | jq -ec '.data.generatePrimes | .job // error(.message)')
known=$(echo "$job" | jq '{id, known: .version}')

final=false
while [ "$final" = false ]; do
    job=$(post "$follow" "$known" | jq -ec '.data.job // error("the job has expired")')
    echo "$job" | jq -r '"\(.status) \(.progress.done)/\(.progress.total)"'
    known=$(echo "$known" | jq --argjson job "$job" '.known = $job.version')
    final=$(echo "$job" | jq '.isFinal')
done

post "$page" "$known" | jq -r '.data.job.primes.values | join(" ")'
