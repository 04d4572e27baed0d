// The page: GraphiQL with its explorer plugin, our fetcher (fetcher.js) and our default tabs (tabs.js).
import "graphiql/setup-workers/vite";
import "graphiql/graphiql.css";
import "@graphiql/react/style.css";
import "@graphiql/plugin-explorer/style.css";
import "./main.css";

import { explorerPlugin } from "@graphiql/plugin-explorer";
import { GraphiQL, HISTORY_PLUGIN } from "graphiql";
import { createRoot } from "react-dom/client";

import { fetcher } from "./fetcher.js";
import { defaultTabs, firstVisitVariables } from "./tabs.js";

createRoot(document.getElementById("explorer")).render(
  <GraphiQL
    fetcher={fetcher}
    plugins={[HISTORY_PLUGIN, explorerPlugin({ showAttribution: false })]}
    defaultTabs={defaultTabs}
    initialVariables={firstVisitVariables()}
    defaultEditorToolsVisibility="variables"
  >
    <GraphiQL.Logo>
      <a className="graphiql-logo-link" href="./">
        Primes
      </a>
    </GraphiQL.Logo>
  </GraphiQL>,
);
