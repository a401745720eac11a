/**
 * Holds a value against a JSON Schema. Loaded only by calls that have one; the build puts the validator
 * into this file, so that the package has no dependencies.
 */

import { dereference, validate, type OutputUnit, type Schema, type SchemaDraft } from "@cfworker/json-schema";
import type { SchemaIssue } from "./errors.js";
import type { JsonSchemaType } from "./types/schema.js";

const TYPES: Record<JsonSchemaType, true> = {
  array: true,
  boolean: true,
  integer: true,
  null: true,
  number: true,
  object: true,
  string: true,
};

/** A long list of elements may be wrong in each. */
const MOST_ISSUES = 100;

/**
 * What of a value does not fit: empty when all does.
 *
 * @param text The schema as JSON.
 * @throws Error if the schema itself is at fault.
 */
export function check(text: string, value: unknown): SchemaIssue[] {
  // From text each time: the validator writes into the schema that it is given.
  const schema = JSON.parse(text) as Schema;
  const lookup = dereference(schema);
  for (const part of Object.values(lookup)) if (typeof part === "object") examine(part, lookup);
  let errors: OutputUnit[];
  try {
    errors = validate(value, schema, draft(schema.$schema), lookup, false).errors;
  } catch (error) {
    // The schema is sound: what the validator chokes on is the value (its depth, or half characters in names).
    return [{ message: `cannot be checked: ${(error as Error).message}`, path: [] }];
  }
  return innermost(errors).slice(0, MOST_ISSUES).map((error) => ({
    message: message(error),
    path: pathTo(error.instanceLocation, value),
  }));
}

/** Finds what the validator would find only when a value comes by, or never. */
function examine(schema: Schema, lookup: Record<string, unknown>): void {
  const { $ref, __absolute_ref__, type, pattern, patternProperties } = schema;
  if ($ref !== undefined && !(String(__absolute_ref__) in lookup)) throw new Error(`$ref "${$ref}" leads nowhere`);
  for (const name of type === undefined ? [] : [type].flat()) {
    if (!Object.hasOwn(TYPES, name)) throw new Error(`there is no type ${JSON.stringify(name)}`);
  }
  for (const source of [pattern ?? [], Object.keys(patternProperties ?? {})].flat()) new RegExp(source, "u");
}

function draft(uri: unknown): SchemaDraft {
  const [, name = ""] = /draft[-/](0[4-7]|2019-09)/.exec(String(uri)) ?? [];
  if (name === "2019-09") return name;
  if (name === "") return "2020-12";
  return name < "06" ? "4" : "7";
}

/** An object that does not fit has an error for itself and one for the member that is the reason: the latter counts. */
function innermost(errors: OutputUnit[]): OutputUnit[] {
  let alternatives: string | undefined;
  return errors.filter(({ keyword, keywordLocation }, at) => {
    // What each alternative has to say against a value that fits none confuses more than it tells.
    if (alternatives !== undefined && keywordLocation.startsWith(alternatives)) return false;
    if (keyword === "anyOf" || keyword === "oneOf" || keyword === "contains") {
      alternatives = `${keywordLocation}/`;
      return true;
    }
    const next = errors[at + 1];
    return next === undefined || keyword === "false" || !(next.keyword === "false" || next.keywordLocation.startsWith(`${keywordLocation}/`));
  });
}

function message({ keyword, error }: OutputUnit): string {
  if (keyword === "false") return "not allowed by the schema";
  const [, actual, expected = ""] = /^Instance type "(.*)" is invalid. Expected (.*)\.$/.exec(error) ?? [];
  return actual === undefined ? error : `expected ${expected.replaceAll('"', "").replaceAll(", ", " or ")}, received ${actual}`;
}

/** A JSON pointer as a fragment (`#/a/0`), as names and indices. */
function pathTo(location: string, value: unknown): (string | number)[] {
  return location
    .split("/")
    .slice(1)
    .map((part) => {
      const name = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
      const step = Array.isArray(value) ? Number(name) : name;
      value = (value as Record<string, unknown>)[name];
      return step;
    });
}
