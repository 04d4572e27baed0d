// Submits the form. Each form has an idempotency key, so that a double click, or another click after a lost answer, makes
// one job. The next form has a new key: one with other numbers, or one sent later than the second click of a double click.
import { useRef, useState } from "react";
import { useMutation } from "urql";

import { SubmitDocument, type SubmitMutation } from "../api/documents";

const DOUBLE_CLICK_MS = 1000;

type Answer = SubmitMutation["generatePrimes"] | { __typename: "NoAnswer"; message: string };
export type Outcome = Answer & { receivedAt: number };

export function useSubmit() {
  const [{ fetching }, mutate] = useMutation(SubmitDocument);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const form = useRef({ key: newKey(), numbers: "", isAccepted: false, sentAt: 0 });

  async function submit(count: number, start: number): Promise<Outcome> {
    const numbers = `${count} ${start}`;
    const { current } = form;
    const isNext = current.isAccepted && performance.now() - current.sentAt > DOUBLE_CLICK_MS;
    if (isNext || numbers !== current.numbers) Object.assign(current, { key: newKey(), numbers, isAccepted: false });
    current.sentAt = performance.now();
    const { key } = current;
    const { data, error } = await mutate({ input: { count, start, idempotencyKey: key } });
    const answer: Answer = data?.generatePrimes ?? { __typename: "NoAnswer", message: error?.message ?? "" };
    if (answer.__typename === "GeneratePrimesAccepted" && key === current.key) current.isAccepted = true;
    const received = { ...answer, receivedAt: Date.now() };
    setOutcome(received);
    return received;
  }

  return { submit, outcome, isSending: fetching, clear: () => setOutcome(null) };
}

// randomUUID() is missing on pages that are not served over HTTPS or from this machine.
const newKey = (): string =>
  `console-${Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
