// Builds both pages for any path prefix and a strict Content-Security-Policy: relative URLs, workers and fonts as files
// of the same origin, nothing inline.
import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  build: {
    // The page at /graphql, and the console at /.
    rolldownOptions: { input: ["index.html", "console.html"] },
    // Relative to both pages, "./explorer/x.js" is /explorer/x.js, which add_routes() serves.
    assetsDir: "explorer",
    // Fonts and images stay files, so that the policy needs no data: for them.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The editor is large. A warning at each build would hide real ones.
    chunkSizeWarningLimit: 8192,
    reportCompressedSize: false,
  },
  worker: { format: "es" },
});
