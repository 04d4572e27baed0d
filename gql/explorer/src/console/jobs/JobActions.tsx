// The action for the job of a page, with what came of it.
import { useState } from "react";

import type { JobSummaryFragment } from "../api/documents";
import { JobAction } from "./JobAction";
import { NoticeLine } from "./NoticeLine";
import type { Notice } from "./useJobAction";

export function JobActions({ job }: { job: JobSummaryFragment }) {
  const [notice, setNotice] = useState<Notice | null>(null);
  return (
    <div className="job-actions">
      <JobAction job={job} onReport={setNotice} />
      <NoticeLine notice={notice} onClose={() => setNotice(null)} />
    </div>
  );
}
