// The pages and services around this server. The server says which respond: the page may not send requests to them.
import { useEffect } from "react";

import { apiUrl } from "../api/addresses";
import { useConnection } from "../api/connection";
import { authorization, keyStore, refuseKey } from "../api/key";
import { Store, useStore } from "../api/store";

export interface LinkedPage {
  name: string;
  url: string;
  isReachable: boolean;
}

const EVERY_MS = 30_000;

// Those that need no other program.
const OWN: readonly LinkedPage[] = [
  { name: "GraphiQL", url: apiUrl("graphql"), isReachable: true },
  { name: "REST", url: apiUrl("docs"), isReachable: true },
];

const linkStore = new Store(OWN);

export const useLinks = (): readonly LinkedPage[] => useStore(linkStore);

// Jaeger's page of a trace; undefined before the links are known.
export function traceUrl(links: readonly LinkedPage[], traceId: string): string | undefined {
  const jaeger = links.find(({ name }) => name === "Jaeger");
  return jaeger && `${jaeger.url.replace(/\/$/, "")}/trace/${traceId}`;
}

// Keeps the links up to date. For one component of the page.
export function useFreshLinks(): readonly LinkedPage[] {
  const { value } = useStore(keyStore);
  // The first request that needs a key is not this one.
  const isOnline = useConnection() === "online";
  useEffect(() => {
    if (!isOnline) return;
    const refresh = () => void (document.hidden || fetchLinks(value));
    refresh();
    const timer = setInterval(refresh, EVERY_MS);
    document.addEventListener("visibilitychange", refresh);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", refresh);
    };
  }, [value, isOnline]);
  return useLinks();
}

async function fetchLinks(key: string | null): Promise<void> {
  try {
    const response = await fetch(apiUrl("links"), { headers: authorization(key) });
    if (response.status === 401) refuseKey(key);
    if (!response.ok) return;
    const { links } = (await response.json()) as { links: LinkedPage[] };
    linkStore.set(links.map((link) => ({ ...link, url: apiUrl(link.url) })));
  } catch {
    // The last links remain. Other requests report that the server is away.
  }
}
