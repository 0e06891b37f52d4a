import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Puts `x.js.gz` beside `x.js`, so that the daemon need not compress what never changes. */
function gzipped(): Plugin {
  return {
    name: "gzipped",
    apply: "build",
    generateBundle: {
      order: "post",
      handler(_, bundle) {
        for (const [name, file] of Object.entries(bundle)) {
          if (!/\.(js|css|html|svg)$/.test(name)) continue;
          const source = file.type === "chunk" ? file.code : file.source;
          this.emitFile({ type: "asset", fileName: `${name}.gz`, source: gzipSync(source, { level: 9 }) });
        }
      },
    },
  };
}

/** Another daemon than the local one, while the page is being worked on. */
const daemon = process.env["LARDER_ADMIN"] ?? "http://127.0.0.1:9001";

export default defineConfig({
  plugins: [react(), gzipped()],
  build: {
    rollupOptions: { input: ["index.html", "api.html"] },
    // Everything is a file of its own: the page's policy allows no inline script.
    modulePreload: { polyfill: false },
    // The chart library is one chunk, which loads with the first chart.
    chunkSizeWarningLimit: 700,
  },
  server: { proxy: { "/api": daemon, "/metrics": daemon } },
  test: { environment: "jsdom", setupFiles: "src/test/setup.ts", testTimeout: 30_000 },
});
