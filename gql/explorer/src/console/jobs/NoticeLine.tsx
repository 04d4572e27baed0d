// What the last action did. Stays until the next one, or until it is closed.
import "./jobs.css";

import { useEffect, useRef } from "react";

import { shortId } from "../format/ids";
import { Link } from "../shell/Link";
import { RetryAfter } from "../shell/RetryAfter";
import { href } from "../shell/route";
import type { Notice } from "./useJobAction";

export function NoticeLine({ notice, onClose }: { notice: Notice | null; onClose: () => void }) {
  const line = useRef<HTMLParagraphElement>(null);
  // The button that was used goes with its job from the open jobs to those that have ended.
  useEffect(() => line.current?.focus(), [notice]);
  return (
    <div role="status" className="notice">
      {notice && (
        <p ref={line} tabIndex={-1} className={notice.isProblem ? "problem" : undefined}>
          <span>
            {notice.jobId && (
              <>
                Job{" "}
                <Link className="id" href={href({ job: notice.jobId })}>
                  {shortId(notice.jobId)}
                </Link>
                :{" "}
              </>
            )}
            {notice.text} {notice.retryAt !== undefined && <RetryAfter at={notice.retryAt} />}
          </span>
          <button type="button" className="small" aria-label="Close this message" onClick={onClose}>
            ×
          </button>
        </p>
      )}
    </div>
  );
}
