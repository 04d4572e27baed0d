// Goes to an index, or to the first prime that is not below a value.
import { useId, useState } from "react";
import { useClient } from "urql";

import { IndexOfPrimeDocument } from "../../api/documents";
import { formatNumber } from "../../format/numbers";
import { wholeNumber } from "../../format/wholeNumber";

export function JumpForm({ id, available, onJump }: { id: string; available: number; onJump: (index: number) => void }) {
  const client = useClient();
  const [error, setError] = useState<string | null>(null);
  const errorId = useId();

  async function jump(form: FormData) {
    const number = wholeNumber(String(form.get("target")));
    const problem = form.get("kind") === "value" ? await jumpToValue(number) : jumpToIndex(number);
    setError(problem);
  }
  function jumpToIndex(index: number | null): string | null {
    if (index === null || index >= available) return `Index must be 0 to ${formatNumber(available - 1)}.`;
    onJump(index);
    return null;
  }
  async function jumpToValue(value: number | null): Promise<string | null> {
    if (value === null) return `Value must be 0 to ${formatNumber(Number.MAX_SAFE_INTEGER)}.`;
    const { data, error: failure } = await client.query(IndexOfPrimeDocument, { id, value });
    if (failure) return failure.message;
    const index = data?.job?.result.indexOf ?? null;
    if (index === null) return `No prime that can be read is ${formatNumber(value)} or more.`;
    onJump(index);
    return null;
  }

  return (
    // Not the form's action, which would clear the fields.
    <form
      className="jump"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void jump(new FormData(event.currentTarget));
      }}
    >
      <label>
        Go to <span className="visually-hidden">index or value</span>
        <select name="kind" onChange={() => setError(null)}>
          <option value="index">index</option>
          <option value="value">value ≥</option>
        </select>
      </label>
      <input
        name="target"
        aria-label="Number"
        inputMode="numeric"
        autoComplete="off"
        required
        aria-invalid={error !== null}
        aria-describedby={errorId}
      />
      <button type="submit">Go</button>
      <p id={errorId} role="alert">
        {error}
      </p>
    </form>
  );
}
