import { run } from "./web.js";

await run(new URLSearchParams(location.search));
