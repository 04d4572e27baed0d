// The operations of all views with their types. generate.js writes them at each build.
export * from "../../../generated/documents";
