// The one place that knows which job the tabs are about: the one submitted last. An empty `id` variable means it,
// so nobody has to copy an id from tab to tab. Kept for the browser tab's life, so a reload does not lose it.
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
