// Whether the API and its job store respond, as seen by all requests and streams. The status bar shows it.
import { Store, useStore } from "./store";

export type Connection = "connecting" | "online" | "API away" | "store away";

const connection = new Store<Connection>("connecting");

export const reportConnection = (state: Connection): void => connection.set(state);

// A lost stream is reported as such, and so is a lost request, but either alone can recover first.
export const useConnection = (): Connection => useStore(connection);
