/** The tools that the tests have: there is one copy of each in the repository. */
import { createRequire } from "node:module";

export const tests = createRequire(new URL("../../tests/package.json", import.meta.url));

/** @returns {string} the version of an npm package that the tests have */
export const versionOf = (name) => tests(`${name}/package.json`).version;
export const esbuild = tests("esbuild");
