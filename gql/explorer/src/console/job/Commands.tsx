// The same as this page, with GraphQL or curl, to copy.
import { apiUrl, GRAPHQL_URL } from "../api/addresses";
import type { JobDetailsFragment } from "../api/documents";
import { keyStore } from "../api/key";
import { useStore } from "../api/store";
import { CopyButton } from "../shell/CopyButton";
import { useRoute } from "../shell/route";

interface Example {
  name: string;
  graphql?: string;
  curl: string;
}

export function Commands({ job }: { job: JobDetailsFragment }) {
  const hasKey = useStore(keyStore).value !== null;
  const index = Number(useRoute().get("index")) || 0;
  return (
    <details className="panel commands">
      <summary>
        <h2>The same with GraphQL or curl</h2>
      </summary>
      {examples(job, index, hasKey).map(({ name, graphql, curl }) => (
        <section key={name}>
          <h3>{name}</h3>
          {graphql && <Text label={`GraphQL: ${name}`} text={graphql} />}
          <Text label={`curl: ${name}`} text={curl} />
        </section>
      ))}
    </details>
  );
}

function Text({ text, label }: { text: string; label: string }) {
  return (
    <div className="command">
      <pre tabIndex={0} aria-label={label}>
        {text}
      </pre>
      <CopyButton text={text} label={label} />
    </div>
  );
}

function examples({ id, count, start, result }: JobDetailsFragment, index: number, hasKey: boolean): Example[] {
  // Not the key itself: what is copied ends up in chats and histories.
  const key = hasKey ? ` \\\n  -H "Authorization: Bearer $PRIMES_KEY"` : "";
  const post = (query: string, options = "-s") =>
    `curl ${options} '${GRAPHQL_URL}'${key} \\\n  -H 'Content-Type: application/json' \\\n  -d '${JSON.stringify({ query })}'`;
  const submit = `mutation {
  generatePrimes(input: {count: ${count}, start: ${start}}) {
    ... on GeneratePrimesAccepted { job { id status } }
    ... on UserError { code message }
  }
}`;
  const follow = `subscription {
  jobUpdates(id: "${id}") {
    ... on JobUpdate { job { status progress { done total } } }
    ... on UserError { code message }
  }
}`;
  const page = `query {
  job(id: "${id}") {
    primes(offset: ${index}, first: 100) { values }
  }
}`;
  const download = `curl -C - -o primes.parquet${key} '${apiUrl(`jobs/${id}/primes.parquet`)}'`;
  return [
    { name: "Submit", graphql: submit, curl: post(submit) },
    { name: "Follow", graphql: follow, curl: post(follow, "-sN -H 'Accept: text/event-stream'") },
    { name: "Read a page", graphql: page, curl: post(page) },
    ...(result.state === "COMPLETE" ? [{ name: "Download", curl: download }] : []),
  ];
}
