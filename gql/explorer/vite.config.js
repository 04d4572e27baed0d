// Builds the page so that it can be served from this origin alone, under any path prefix and a strict
// Content-Security-Policy: relative addresses, workers and fonts as files, nothing inline.
import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  build: {
    // The page is /graphql, so its "./explorer/x.js" is /explorer/x.js: beside the endpoint, where add_routes() serves it.
    assetsDir: "explorer",
    // Fonts and pictures stay files: a policy without data: holds for them.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The editor is large by nature; a warning at each build would hide the real ones.
    chunkSizeWarningLimit: 8192,
    reportCompressedSize: false,
  },
  worker: { format: "es" },
});
