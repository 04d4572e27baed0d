// Whether the API and its job store respond, as seen by all requests and streams. The status bar shows it.
import { Store, useStore } from "./store";

export type Connection = "connecting" | "online" | "API away" | "store away";

const connection = new Store<Connection>("connecting");

export const reportConnection = (state: Connection): void => connection.set(state);

// The API responds, but a stream that never pauses is silent: the API skips outages of the store there.
export function reportSilence(): void {
  if (connection.get() === "online") connection.set("store away");
}

// A lost stream is reported as such, and so is a lost request, but either alone can recover first.
export const useConnection = (): Connection => useStore(connection);
