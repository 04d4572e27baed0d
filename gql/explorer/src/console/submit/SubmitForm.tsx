// Requests primes: how many, and from where.
import "./submit.css";

import { useState, type FormEvent } from "react";
import { useQuery } from "urql";

import { LimitsDocument } from "../api/documents";
import { NumberField, problemOf, type Bounds } from "./NumberField";
import { SubmitOutcome } from "./SubmitOutcome";
import { useSubmit, type Outcome } from "./useSubmit";
import { wholeNumber } from "../format/wholeNumber";

const FIELDS = ["count", "start"] as const;
type Field = (typeof FIELDS)[number];
type Problems = Partial<Record<Field, string | null>>;

interface Props {
  initial: Record<Field, string>;
  onSubmitted: () => void;
}

export function SubmitForm({ initial, onSubmitted }: Props) {
  const [{ data }] = useQuery({ query: LimitsDocument });
  const [texts, setTexts] = useState(initial);
  const [problems, setProblems] = useState<Problems>({});
  const { submit, outcome, isSending, clear } = useSubmit();
  const bounds: Record<Field, Bounds | null> = {
    count: data ? { min: 1, max: data.limits.maxCount } : null,
    start: data ? { min: 0, max: data.limits.maxStart } : null,
  };

  function change(field: Field, text: string) {
    if (wholeNumber(text) !== wholeNumber(texts[field])) clear();
    setTexts({ ...texts, [field]: text });
    setProblems({ ...problems, [field]: null });
  }
  async function send(event: FormEvent) {
    event.preventDefault();
    const found = Object.fromEntries(FIELDS.map((field) => [field, problemOf(texts[field], bounds[field])])) as Problems;
    setProblems(found);
    const [count, start] = FIELDS.map((field) => wholeNumber(texts[field]));
    if (FIELDS.some((field) => found[field]) || count == null || start == null) return;
    const answer = await submit(count, start);
    setProblems(issuesOf(answer));
    onSubmitted();
  }

  return (
    <section className="panel submit" aria-labelledby="submit-title">
      <h2 id="submit-title">Generate primes</h2>
      <form onSubmit={(event) => void send(event)} noValidate>
        {FIELDS.map((field) => (
          <NumberField
            key={field}
            label={field === "count" ? "How many" : "From"}
            text={texts[field]}
            bounds={bounds[field]}
            problem={problems[field] ?? null}
            onChange={(text) => change(field, text)}
          />
        ))}
        <button type="submit" className="primary" aria-busy={isSending}>
          Generate
        </button>
        <SubmitOutcome outcome={outcome} />
      </form>
    </section>
  );
}

// The server's issues at the fields that they are about.
function issuesOf(outcome: Outcome): Problems {
  if (outcome.__typename !== "ValidationError") return {};
  const ofField = (field: Field) => outcome.issues.find(({ path }) => path.at(-1) === field);
  return Object.fromEntries(FIELDS.map((field) => [field, sentence(ofField(field)?.message)]));
}

const sentence = (text: string | undefined): string | null =>
  text === undefined ? null : `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
