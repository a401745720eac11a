/**
 * Finds the programs that do not come from npm. Run directly it prints the ones that are missing:
 *
 *     node tests/runtimes/executables.js            for a person
 *     node tests/runtimes/executables.js --debian   the Debian packages that hold them, one per line
 */
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";

const libraryFolders = ["/usr/lib", "/usr/libexec", "/usr/lib64", ...["x86_64", "aarch64"].map((cpu) => `/usr/lib/${cpu}-linux-gnu`)];

/**
 * An environment variable of the given name overrides the search.
 * @type {Record<string, { variable: string, debianPackage: string, hint: string, candidates: string[] }>}
 */
const programs = {
  chromium: {
    variable: "CHROMIUM",
    debianPackage: "chromium",
    hint: "any Chromium or Chrome",
    candidates: ["chromium", "chromium-browser", "google-chrome", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"],
  },
  firefox: {
    variable: "FIREFOX",
    debianPackage: "firefox-esr",
    hint: "Firefox 140 or newer",
    candidates: ["firefox-esr", "firefox", "/Applications/Firefox.app/Contents/MacOS/firefox"],
  },
  webKitWebDriver: {
    variable: "WEBKIT_WEB_DRIVER",
    debianPackage: "webkit2gtk-driver",
    hint: "WebKitWebDriver of WebKitGTK (Linux only)",
    candidates: ["WebKitWebDriver"],
  },
  miniBrowser: {
    variable: "WEBKIT_MINI_BROWSER",
    debianPackage: "libwebkit2gtk-4.1-0",
    hint: "MiniBrowser of WebKitGTK (Linux only)",
    candidates: libraryFolders.map((folder) => join(folder, "webkit2gtk-4.1/MiniBrowser")),
  },
  xvfb: { variable: "XVFB", debianPackage: "xvfb", hint: "Xvfb, the X server without a screen (Linux only)", candidates: ["Xvfb"] },
};

/** @returns {string | undefined} the program's path */
export function find(name) {
  const { variable, candidates } = programs[name];
  const paths = process.env[variable] ? [process.env[variable]] : candidates.flatMap(placesOf);
  return paths.find(isExecutable);
}

/** @returns {string} the program's path; throws when it is missing */
export function require(name) {
  const path = find(name);
  if (path === undefined) throw new Error(`${name} is missing. ${howToGet(name)}`);
  return path;
}

function placesOf(candidate) {
  if (candidate.includes("/")) return [candidate];
  return (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, candidate));
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return existsSync(path);
  } catch {
    return false;
  }
}

function howToGet(name) {
  const { variable, debianPackage, hint } = programs[name];
  return `Needed: ${hint}. Debian and Ubuntu: apt-get install ${debianPackage}. Elsewhere: install it and, if it is not found, set ${variable} to its path.`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const missing = Object.keys(programs).filter((name) => find(name) === undefined);
  const lines = process.argv.includes("--debian")
    ? [...new Set(missing.map((name) => programs[name].debianPackage))]
    : missing.map((name) => `${name}: ${howToGet(name)}`);
  for (const line of lines) console.log(line);
}
