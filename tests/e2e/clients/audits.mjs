// The audits of GraphQL over HTTP, by graphql-http: `node audits.mjs URL` prints one line of JSON for each of them.
import { auditServer } from 'graphql-http';

const results = await auditServer({ url: process.argv[2] });
for (const { id, name, status, reason } of results) {
  console.log(JSON.stringify({ id, name, status, reason }));
}
