// Copies a text, and says so. Without a secure context, browsers have no clipboard API.
import { useState } from "react";

const SHOWN_MS = 2000;

export function CopyButton({ text, label }: { text: string; label: string }) {
  const [outcome, setOutcome] = useState("");
  async function copy() {
    setOutcome((await copied(text)) ? "Copied" : "Not copied");
    setTimeout(() => setOutcome(""), SHOWN_MS);
  }
  return (
    <>
      <button type="button" className="copy" onClick={() => void copy()}>
        {outcome || "Copy"}
        <span className="visually-hidden"> {label}</span>
      </button>
      <span role="status" className="visually-hidden">
        {outcome && `${outcome}: ${label}`}
      </span>
    </>
  );
}

async function copied(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedBySelection(text);
  }
}

function copiedBySelection(text: string): boolean {
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  // Outside of the page, which does not scroll then.
  area.style.position = "fixed";
  area.style.top = "-100vh";
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return isCopied;
}
