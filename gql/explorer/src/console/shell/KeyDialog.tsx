// Asks for an API key when the server wants one. The view stays as it is behind the dialog.
import { useEffect, useRef } from "react";

import { keyStore, setKey } from "../api/key";
import { useStore } from "../api/store";

export function KeyDialog() {
  const { wanted } = useStore(keyStore);
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (wanted === "nothing") dialog.current?.close();
    else if (!dialog.current?.open) dialog.current?.showModal();
  }, [wanted]);
  function submit(form: FormData) {
    const key = String(form.get("key")).trim();
    if (key !== "") setKey(key);
  }
  return (
    <dialog ref={dialog} aria-labelledby="key-title" onCancel={(event) => event.preventDefault()}>
      <form action={submit}>
        <h2 id="key-title">API key</h2>
        <p>
          {wanted === "another key"
            ? "The server refused this key: it is unknown, expired or revoked."
            : "This server requires an API key. It is kept for this tab only."}
        </p>
        <label htmlFor="key">Key</label>
        <input id="key" name="key" type="password" autoComplete="off" required />
        <button type="submit" className="primary">
          Continue
        </button>
      </form>
    </dialog>
  );
}
