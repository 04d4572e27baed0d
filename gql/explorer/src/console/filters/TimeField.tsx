// A moment in the reader's zone. Null if it is empty.
interface Props {
  label: string;
  time: string | null;
  onChange: (time: string | null) => void;
}

const MINUTE_MS = 60_000;

export function TimeField({ label, time, onChange }: Props) {
  return (
    <label className="time-field">
      {label}{" "}
      <input
        type="datetime-local"
        defaultValue={time === null ? "" : localTime(time)}
        onBlur={({ target: { value } }) => {
          const moment = value === "" ? null : new Date(value).toISOString();
          if (moment !== time) onChange(moment);
        }}
      />
    </label>
  );
}

// The text that the input has for this moment.
function localTime(time: string): string {
  const date = new Date(time);
  return new Date(date.getTime() - date.getTimezoneOffset() * MINUTE_MS).toISOString().slice(0, 16);
}
