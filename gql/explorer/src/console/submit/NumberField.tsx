// A whole number with its bounds below it, or in their place what is wrong with it.
import { useId } from "react";

import { formatNumber } from "../format/numbers";
import { wholeNumber } from "../format/wholeNumber";

export interface Bounds {
  min: number;
  max: number;
}

interface Props {
  label: string;
  text: string;
  bounds: Bounds | null;
  problem: string | null;
  onChange: (text: string) => void;
}

export function NumberField({ label, text, bounds, problem, onChange }: Props) {
  const id = useId();
  // Grouped when the reader is done with it.
  function group() {
    const value = wholeNumber(text);
    if (value !== null) onChange(formatNumber(value));
  }
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        className="number"
        inputMode="numeric"
        autoComplete="off"
        value={text}
        aria-invalid={problem !== null}
        aria-describedby={`${id}-hint`}
        onChange={(event) => onChange(event.target.value)}
        onBlur={group}
      />
      <p id={`${id}-hint`} className={problem === null ? "hint" : "problem"}>
        {problem ?? (bounds && `${formatNumber(bounds.min)} to ${formatNumber(bounds.max)}`)}
      </p>
    </div>
  );
}

// Null if the text is a number within the bounds. Unknown bounds are the server's to check.
export function problemOf(text: string, bounds: Bounds | null): string | null {
  const value = wholeNumber(text);
  if (value === null) return "Enter a whole number, such as 1000 or 1e6.";
  if (bounds === null || (value >= bounds.min && value <= bounds.max)) return null;
  return `Must be ${formatNumber(bounds.min)} to ${formatNumber(bounds.max)}.`;
}
