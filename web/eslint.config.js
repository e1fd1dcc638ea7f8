import js from "@eslint/js";
import svelte from "eslint-plugin-svelte";
import globals from "globals";
import ts from "typescript-eslint";

/** Each folder of src may import from those before it, never from those after it. */
function layers(...folders) {
  return folders.slice(0, -1).map((folder, i) => ({
    files: [`src/${folder}/**`],
    ignores: ["src/**/*.test.ts"],
    rules: {
      "no-restricted-imports": [
        "error",
        { patterns: [{ group: ["../app.svelte", ...folders.slice(i + 1).map((later) => `../${later}/*`)], message: "Imports point upwards only: see README.md." }] },
      ],
    },
  }));
}

export default ts.config(
  { ignores: ["dist/", "node_modules/", "src/wire.ts"] },
  js.configs.recommended,
  ...ts.configs.strict,
  ...svelte.configs.recommended,
  {
    languageOptions: { globals: { ...globals.browser } },
    rules: {
      eqeqeq: "error",
      "max-lines": ["error", 400],
      complexity: ["error", 16],
      // State is immutable maps in $state.raw: copied, changed, and assigned.
      "svelte/prefer-svelte-reactivity": "off",
      "@typescript-eslint/restrict-template-expressions": "off",
    },
  },
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: [".svelte"] } },
  },
  ...layers("geometry", "model", "reading", "scene", "paint", "talk", "ui"),
  { files: ["e2e/**", "scripts/**", "*.config.*"], languageOptions: { globals: { ...globals.node } } },
);
