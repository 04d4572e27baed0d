// One line that says what is away. The page goes on by itself.
import { useConnection, type Connection } from "../api/connection";

const TEXTS: Record<Connection, string | null> = {
  connecting: null,
  online: null,
  "API away": "The server does not respond. Trying again; this page goes on by itself.",
  "store away": "The job store is unavailable. Trying again; this page goes on by itself.",
};

export function StatusBar() {
  const text = TEXTS[useConnection()];
  // Always present: screen readers announce changes of an existing region.
  return (
    <div role="status" className="status-bar">
      {text !== null && <p>{text}</p>}
    </div>
  );
}
