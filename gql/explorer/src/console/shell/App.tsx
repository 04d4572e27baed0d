// The frame of all views: header, status bar, the view that the address names, and the dialog for the key.
import { JobView } from "../job/JobView";
import { JobsView } from "../list/JobsView";
import { SystemView } from "../system/SystemView";
import { Header } from "./Header";
import { KeyDialog } from "./KeyDialog";
import { useRoute, viewOf } from "./route";
import { StatusBar } from "./StatusBar";

export function App() {
  const params = useRoute();
  const view = viewOf(params);
  const jobId = params.get("job") ?? "";
  return (
    <>
      <Header view={view} />
      <StatusBar />
      <main>
        {view === "jobs" && <JobsView />}
        {view === "job" && <JobView key={jobId} id={jobId} />}
        {view === "system" && <SystemView />}
      </main>
      <KeyDialog />
    </>
  );
}
