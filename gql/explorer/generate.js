// Writes generated/documents.ts: the console's operations (src/console/**/*.graphql) with their types, from the printed
// schema. An operation that the schema does not allow fails the build.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { codegen } from "@graphql-codegen/core";
import * as typedDocumentNode from "@graphql-codegen/typed-document-node";
import * as typescriptOperations from "@graphql-codegen/typescript-operations";
import { buildSchema, parse } from "graphql";

const SCHEMA = join(import.meta.dirname, "../../schema/schema.graphql");
const SOURCES = join(import.meta.dirname, "src/console");
const OUTPUT = join(import.meta.dirname, "generated");

const schemaAst = buildSchema(readFileSync(SCHEMA, "utf8"));
const documents = readdirSync(SOURCES, { recursive: true })
  .filter((name) => name.endsWith(".graphql"))
  .sort()
  .map((name) => ({ location: name, document: parse(readFileSync(join(SOURCES, name), "utf8")) }));

const text = await codegen({
  filename: "documents.ts",
  schema: parse(readFileSync(SCHEMA, "utf8")),
  schemaAst,
  documents,
  config: {
    avoidOptionals: { field: true },
    enumType: "string-literal",
    scalars: { DateTime: "string", SafeInt: "number" },
    strictScalars: true,
    useTypeImports: true,
  },
  plugins: [{ typescriptOperations: {} }, { typedDocumentNode: {} }],
  pluginMap: { typescriptOperations, typedDocumentNode },
});
mkdirSync(OUTPUT, { recursive: true });
writeFileSync(join(OUTPUT, "documents.ts"), text);
