// The result as files. Without a key they are plain links; with one, the page fetches them and saves them.
import { keyStore } from "../api/key";
import { useStore } from "../api/store";
import { apiUrl } from "../api/addresses";
import type { DownloadFormat, JobDetailsFragment } from "../api/documents";
import { formatBytes, formatRatio } from "../format/numbers";
import { useSaving } from "./useSaving";

const NAMES: Record<DownloadFormat, string> = { PARQUET: "Parquet", CSV: "CSV", NDJSON: "NDJSON" };
// A browser keeps what a page fetches until it is complete.
const LARGE_BYTES = 500_000_000;

type File = JobDetailsFragment["result"]["downloads"][number];

export function Files({ job }: { job: JobDetailsFragment }) {
  const key = useStore(keyStore).value;
  return (
    <section className="panel">
      <h2>Download</h2>
      <ul className="files">
        {job.result.downloads.map((file) => (
          <li key={file.format}>
            <span>{NAMES[file.format]}</span>
            <span className="number faint">{file.byteSize === null ? "" : formatBytes(file.byteSize)}</span>
            {key === null ? <PlainLink file={file} /> : <SaveButton file={file} apiKey={key} />}
          </li>
        ))}
      </ul>
    </section>
  );
}

// From this page's root on: a proxy may publish the API under a prefix that it does not know.
const address = ({ url }: File): string => apiUrl(url.slice(url.indexOf("/jobs/") + 1));
const fileName = ({ url }: File): string => url.slice(url.lastIndexOf("/") + 1);

function PlainLink({ file }: { file: File }) {
  return (
    <a className="button" href={address(file)} download>
      Download<span className="visually-hidden"> {NAMES[file.format]}</span>
    </a>
  );
}

function SaveButton({ file, apiKey }: { file: File; apiKey: string }) {
  const { state, save, stop } = useSaving(address(file), fileName(file), apiKey);
  const isSaving = state.kind === "saving";
  return (
    <>
      <button type="button" onClick={isSaving ? stop : () => void save()}>
        {isSaving ? "Stop" : "Download"}
        <span className="visually-hidden"> {NAMES[file.format]}</span>
      </button>
      <span className="note faint" role={state.kind === "failed" ? "alert" : undefined}>
        {state.kind === "saving" && progressOf(state.received, file.byteSize)}
        {state.kind === "failed" && state.reason}
        {state.kind === "idle" &&
          (file.byteSize ?? 0) > LARGE_BYTES &&
          "Large: the browser keeps it until it is complete, and starts again after a break. The curl command below resumes."}
      </span>
    </>
  );
}

const progressOf = (received: number, size: number | null): string =>
  size === null ? formatBytes(received) : `${formatRatio(received / size)} of ${formatBytes(size)}`;
