import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [react()],
  build: {
    rollupOptions: { input: ["index.html", "api.html"] },
    // Everything is a file of its own: the page's policy allows no inline script.
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/api": "http://127.0.0.1:9001" } },
  test: { environment: "jsdom" },
});
