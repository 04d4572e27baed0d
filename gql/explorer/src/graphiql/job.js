// Remembers the last submitted job and uses it for an empty `id` variable: users need not copy ids between tabs.
// Kept in the session storage, so that it survives a reload.
import { Kind } from "graphql";

const KEY = "explorer:job";

export function rememberJob(result) {
  const payload = Object.values(result.data ?? {}).find((field) => field?.job?.id);
  if (payload) sessionStorage.setItem(KEY, payload.job.id);
}

export function withJob(request, operation) {
  if (!needsId(operation) || request.variables?.id) return request;
  const id = sessionStorage.getItem(KEY);
  if (!id) throw new Error("No job yet: run the Submit tab first, or put a job's id into the variables.");
  return { ...request, variables: { ...request.variables, id } };
}

function needsId(operation) {
  return (operation?.variableDefinitions ?? []).some(
    ({ variable, type }) => variable.name.value === "id" && type.kind === Kind.NON_NULL_TYPE,
  );
}
