// Runs the audits of graphql-http for GraphQL over HTTP: `node audits.mjs URL` prints one line of JSON per audit.
import { auditServer } from 'graphql-http';

const results = await auditServer({ url: process.argv[2] });
for (const { id, name, status, reason } of results) {
  console.log(JSON.stringify({ id, name, status, reason }));
}
