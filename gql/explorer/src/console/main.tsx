// The console: submit jobs, follow them live, page through results, watch the system.
import "./main.css";

import { createRoot } from "react-dom/client";

import { ApiProvider } from "./api/ApiProvider";
import { App } from "./shell/App";

const root = document.getElementById("console");
if (root !== null) {
  createRoot(root).render(
    <ApiProvider>
      <App />
    </ApiProvider>,
  );
}
