// Fetches a file with the API key, which a link cannot send, and saves it under its name.
import { useEffect, useRef, useState } from "react";

import { authorization, refuseKey } from "../api/key";

// Each piece of the file would render the page again.
const REPORT_EVERY_MS = 200;

export type Saving = { kind: "idle" } | { kind: "saving"; received: number } | { kind: "failed"; reason: string };

export function useSaving(url: string, name: string, key: string) {
  const [state, setState] = useState<Saving>({ kind: "idle" });
  const abort = useRef<AbortController>(undefined);
  useEffect(() => () => abort.current?.abort(), []);

  async function save() {
    const controller = new AbortController();
    abort.current = controller;
    setState({ kind: "saving", received: 0 });
    try {
      const response = await fetch(url, { headers: authorization(key), signal: controller.signal });
      if (response.status === 401) refuseKey(key);
      if (!response.ok || response.body === null) throw new Error(await reasonOf(response));
      const counted = response.body.pipeThrough(counter((received) => setState({ kind: "saving", received })));
      saveAs(await new Response(counted).blob(), name);
      setState({ kind: "idle" });
    } catch (error) {
      if (controller.signal.aborted) setState({ kind: "idle" });
      else setState({ kind: "failed", reason: `Not downloaded: ${(error as Error).message}` });
    }
  }

  return { state, save, stop: () => abort.current?.abort() };
}

// Problem details (RFC 9457), if the response is from the API.
async function reasonOf(response: Response): Promise<string> {
  const status = `${response.status} ${response.statusText}`.trim();
  try {
    return ((await response.json()) as { detail?: string }).detail ?? status;
  } catch {
    return status;
  }
}

function counter(report: (received: number) => void) {
  let received = 0;
  let reportedAt = 0;
  return new TransformStream<Uint8Array, Uint8Array>({
    transform(piece, controller) {
      received += piece.byteLength;
      const now = Date.now();
      if (now - reportedAt > REPORT_EVERY_MS) {
        reportedAt = now;
        report(received);
      }
      controller.enqueue(piece);
    },
  });
}

function saveAs(content: Blob, name: string) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  // The browser has taken the content by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
