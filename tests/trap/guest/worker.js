// Runs inside workerd: answers with one JSON value per line.
import * as library from "./dist/entries/workerd.js";
import { runChecks } from "./checks.js";

const surprises = [];
addEventListener("unhandledrejection", ({ reason }) => surprises.push(`unhandledrejection: ${reason?.stack ?? reason}`));

export default {
  async fetch(request) {
    const { searchParams } = new URL(request.url);
    const [service, questions] = ["service", "questions"].map((name) => searchParams.get(name));
    const outcomes = [];
    await runChecks({ library, service, questions, name: "workerd", surprises }, (outcome) => outcomes.push(outcome));
    return Response.json([...outcomes, { end: true }]);
  },
};
