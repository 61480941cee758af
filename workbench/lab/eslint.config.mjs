import js from "@eslint/js";
import ts from "typescript-eslint";

export default ts.config({ ignores: ["lib", "node_modules"] }, js.configs.recommended, {
  files: ["**/*.ts"],
  extends: [ts.configs.recommendedTypeChecked],
  languageOptions: { parserOptions: { project: "./tsconfig.test.json" } },
  rules: {
    // Lumino's signals take a method and its object apart, and put them together again.
    "@typescript-eslint/unbound-method": "off",
    // What comes from a kernel or a file name is text, never markup.
    "no-restricted-properties": [
      "error",
      { property: "innerHTML" },
      { property: "outerHTML" },
      { property: "insertAdjacentHTML" },
    ],
  },
});
