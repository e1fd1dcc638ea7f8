import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

// The names of the built files carry no hash: they are served from the binary with an ETag, and a diff of
// web/dist shows what changed instead of a rename.
export default defineConfig({
  plugins: [svelte()],
  base: "./",
  build: {
    target: "es2022",
    assetsDir: ".",
    modulePreload: false,
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        entryFileNames: "meshsim.js",
        chunkFileNames: "[name].js",
        assetFileNames: ({ names }) => (names.some((n) => n.startsWith("index")) ? "meshsim[extname]" : "[name][extname]"),
      },
    },
  },
  worker: { format: "es", rolldownOptions: { output: { entryFileNames: ({ name }) => `${name.replace(".worker", "")}.js` } } },
  server: { proxy: { "/api": { target: "http://127.0.0.1:3000", ws: true } } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
