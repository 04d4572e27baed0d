// Provides the client for the current key. A new key gets a new client, and all views query again.
import { useEffect, useMemo, type ReactNode } from "react";
import { Provider } from "urql";

import { createApi } from "./client";
import { keyStore } from "./key";
import { useStore } from "./store";

export function ApiProvider({ children }: { children: ReactNode }) {
  const { value } = useStore(keyStore);
  const api = useMemo(() => createApi(value), [value]);
  useEffect(() => api.dispose, [api]);
  return <Provider value={api.client}>{children}</Provider>;
}
