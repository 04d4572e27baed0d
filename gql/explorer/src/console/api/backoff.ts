// Waiting before another attempt.
const FIRST_MS = 250;
const LONGEST_MS = 5000;

// Doubles with each attempt. Random, so that the pages of a restarted server do not all come back at the same moment.
export const backoffMs = (attempt: number): number =>
  Math.min(LONGEST_MS, FIRST_MS * 2 ** attempt) * (0.5 + Math.random() / 2);

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
