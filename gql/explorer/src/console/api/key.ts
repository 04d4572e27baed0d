// The API key: asked for after the API has refused a request, kept for this tab, and forgotten when it is refused.
import { Store } from "./store";

const STORAGE_KEY = "console:key";

export interface KeyState {
  value: string | null;
  // What the API wants: nothing more, a key, or another key than the one that it refused.
  wanted: "nothing" | "key" | "another key";
}

export const keyStore = new Store<KeyState>({ value: sessionStorage.getItem(STORAGE_KEY), wanted: "nothing" });

export function setKey(value: string): void {
  sessionStorage.setItem(STORAGE_KEY, value);
  keyStore.set({ value, wanted: "nothing" });
}

// Ignores a refusal of a key that was replaced since the request was sent.
export function refuseKey(used: string | null): void {
  const { value, wanted } = keyStore.get();
  if (used !== value || wanted !== "nothing") return;
  sessionStorage.removeItem(STORAGE_KEY);
  keyStore.set({ value: null, wanted: value === null ? "key" : "another key" });
}

export const authorization = (key: string | null): Record<string, string> =>
  key === null ? {} : { Authorization: `Bearer ${key}` };
