import { once } from "node:events";
import { createServer } from "node:net";

import { require } from "../executables.js";
import { hostPage } from "../page-host.js";
import { start } from "../processes.js";

/** @param {import("../run.js").Context} context */
export async function runInWebKitGtk(context) {
  const stops = [];
  const stopAll = async () => {
    while (stops.length > 0) await stops.pop()();
  };
  context.signal.addEventListener("abort", stopAll);
  try {
    const display = await startDisplay(stops);
    const driver = await startDriver(display, stops);
    const session = await command(driver, "POST", "/session", {
      capabilities: { alwaysMatch: { "webkitgtk:browserOptions": { binary: require("miniBrowser"), args: ["--automation"] } } },
    });
    const version = `WebKitGTK ${session.capabilities.browserVersion}`;
    const { url, ended, close } = await context.page((options) => hostPage({ ...options, name: "webkitgtk" }), version);
    stops.push(close);
    await command(driver, "POST", `/session/${session.sessionId}/url`, { url });
    await ended;
    await command(driver, "DELETE", `/session/${session.sessionId}`);
  } finally {
    context.signal.removeEventListener("abort", stopAll);
    await stopAll();
  }
}

/** An X server without a screen; it picks a free number and writes it to its fourth file. */
async function startDisplay(stops) {
  const { child, stop } = start(require("xvfb"), ["-displayfd", "3", "-screen", "0", "1024x768x24", "-nolisten", "tcp"], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  stops.push(stop);
  const [number] = await Promise.race([once(child.stdio[3], "data"), endOf(child, "Xvfb")]);
  return `:${String(number).trim()}`;
}

async function startDriver(display, stops) {
  const port = await freePort();
  const { child, stop } = start(require("webKitWebDriver"), [`--port=${port}`, "--host=127.0.0.1"], {
    stdio: "ignore",
    env: {
      ...process.env,
      DISPLAY: display,
      // The sandbox and the graphics stack want more than a container has.
      WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1",
      WEBKIT_DISABLE_COMPOSITING_MODE: "1",
      WEBKIT_DISABLE_DMABUF_RENDERER: "1",
    },
  });
  stops.push(stop);
  const driver = `http://127.0.0.1:${port}`;
  await Promise.race([answering(driver), endOf(child, "WebKitWebDriver")]);
  return driver;
}

/** WebKitWebDriver does not say when it listens, so it is asked until it answers. */
async function answering(driver) {
  for (;;) {
    const ready = await fetch(`${driver}/status`).then((response) => response.ok, () => false);
    if (ready) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function endOf(child, name) {
  const [code] = await once(child, "exit");
  throw new Error(`${name} ended with code ${code}`);
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

async function command(driver, method, path, body) {
  const response = await fetch(driver + path, { method, body: body && JSON.stringify(body) });
  const { value } = await response.json();
  if (!response.ok) throw new Error(`WebDriver ${method} ${path}: ${value?.error}: ${value?.message}`);
  return value;
}
