/**
 * What a structured answer may be asked for with: a schema of a library, or a JSON Schema; and the types
 * that follow from it.
 */

/** The type of a JSON value, in JSON Schema's words. */
export type JsonSchemaType = "array" | "boolean" | "integer" | "null" | "number" | "object" | "string";

/**
 * A JSON Schema object: draft 2020-12 unless `$schema` names 2019-09, 07, 06 or 04.
 *
 * An answer is held to every validating keyword but `$dynamicRef`. References stay within the schema
 * (`"#/$defs/…"`): nothing is fetched. `format` counts for `date`, `time`, `date-time`, `duration`,
 * `uri`, `uri-reference`, `uri-template`, `url`, `email`, `hostname`, `ipv4`, `ipv6`, `regex`, `uuid`,
 * `json-pointer` and `relative-json-pointer`; any other format is an annotation.
 */
export interface JsonSchema {
  readonly $schema?: string | undefined;
  readonly $id?: string | undefined;
  readonly $anchor?: string | undefined;
  readonly $ref?: string | undefined;
  readonly $defs?: Subschemas | undefined;
  readonly definitions?: Subschemas | undefined;
  readonly $comment?: string | undefined;

  /** Also the name under which the service gets the schema. */
  readonly title?: string | undefined;
  /** Tells the model what the value is for. */
  readonly description?: string | undefined;
  readonly default?: unknown;
  readonly examples?: readonly unknown[] | undefined;
  readonly deprecated?: boolean | undefined;
  readonly readOnly?: boolean | undefined;
  readonly writeOnly?: boolean | undefined;

  readonly type?: JsonSchemaType | (string & {}) | readonly (JsonSchemaType | (string & {}))[] | undefined;
  readonly const?: unknown;
  readonly enum?: readonly unknown[] | undefined;

  readonly properties?: Subschemas | undefined;
  readonly required?: readonly string[] | undefined;
  readonly additionalProperties?: Subschema | undefined;
  readonly unevaluatedProperties?: Subschema | undefined;
  readonly patternProperties?: Subschemas | undefined;
  readonly propertyNames?: Subschema | undefined;
  readonly minProperties?: number | undefined;
  readonly maxProperties?: number | undefined;
  readonly dependentRequired?: { readonly [name: string]: readonly string[] } | undefined;
  readonly dependentSchemas?: Subschemas | undefined;
  readonly dependencies?: unknown;

  readonly items?: Subschema | undefined;
  readonly prefixItems?: readonly (JsonSchema | boolean)[] | undefined;
  readonly additionalItems?: Subschema | undefined;
  readonly unevaluatedItems?: Subschema | undefined;
  readonly contains?: Subschema | undefined;
  readonly minContains?: number | undefined;
  readonly maxContains?: number | undefined;
  readonly minItems?: number | undefined;
  readonly maxItems?: number | undefined;
  readonly uniqueItems?: boolean | undefined;

  readonly anyOf?: readonly (JsonSchema | boolean)[] | undefined;
  readonly oneOf?: readonly (JsonSchema | boolean)[] | undefined;
  readonly allOf?: readonly (JsonSchema | boolean)[] | undefined;
  readonly not?: Subschema | undefined;
  readonly if?: Subschema | undefined;
  readonly then?: Subschema | undefined;
  readonly else?: Subschema | undefined;

  readonly format?: string | undefined;
  readonly pattern?: string | undefined;
  readonly minLength?: number | undefined;
  readonly maxLength?: number | undefined;
  readonly contentMediaType?: string | undefined;
  readonly contentEncoding?: string | undefined;
  readonly contentSchema?: Subschema | undefined;

  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
  readonly exclusiveMinimum?: number | boolean | undefined;
  readonly exclusiveMaximum?: number | boolean | undefined;
  readonly multipleOf?: number | undefined;
}

// Lists are for draft 07's `items`; types of other libraries allow them everywhere.
type Subschema = JsonSchema | boolean | readonly (JsonSchema | boolean)[];
type Subschemas = { readonly [name: string]: JsonSchema | boolean | undefined };

/**
 * A schema of any library that implements [Standard Schema](https://standardschema.dev): zod, valibot,
 * arktype and many others. With the library's Standard JSON Schema part (zod 4.2, arktype 2.1.28, valibot
 * through `toStandardJsonSchema` of `@valibot/to-json-schema`) it can also be sent to the service.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
    readonly jsonSchema?: { readonly input: (options: { readonly target: "draft-2020-12" }) => object } | undefined;
  };
}

/** What a Standard Schema says of a value. */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

/** One objection of a Standard Schema. */
export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What describes a structured answer. */
export type Schema = JsonSchema | StandardSchema;

/**
 * The type of the values that a schema gives: the output of a Standard Schema, or what a JSON Schema
 * describes if its type is literal (written in the call, or `as const`). `unknown` where the type does not
 * tell, as with `$ref`.
 */
export type InferSchema<S> = S extends Standard<unknown, infer Output> ? Output : FromJson<S>;

/**
 * The type of the JSON that the model writes: what {@link InferSchema} gives, before the transforms and
 * defaults of a Standard Schema.
 */
export type InferSchemaInput<S> = S extends Standard<infer Input, unknown> ? Input : FromJson<S>;

/**
 * A value that is still growing: members and elements may be missing, at every level, and a string may be
 * the beginning of what it will be (so a union of literals is only a `string`).
 */
export type DeepPartial<T> = T extends readonly unknown[]
  ? number extends T["length"]
    ? DeepPartial<T[number]>[]
    : { [K in keyof T]?: DeepPartial<T[K]> }
  : T extends object
    ? { [K in keyof T]?: DeepPartial<T[K]> }
    : T extends string
      ? string
      : T;

interface Standard<Input, Output> {
  readonly "~standard": { readonly types?: { readonly input: Input; readonly output: Output } | undefined };
}

/**
 * Keywords restrict a value together, so their types are intersected. Lists of schemas count only where
 * their length is known: other libraries' types of any schema are without end.
 */
type FromJson<S> = S extends boolean
  ? S extends false
    ? never
    : unknown
  : S extends { readonly const: infer Value }
    ? Mutable<Value>
    : S extends { readonly enum: readonly (infer Value)[] }
      ? Mutable<Value>
      : ByType<S> & AnyOf<S, "anyOf"> & AnyOf<S, "oneOf"> & AllOf<S>;

type ByType<S> = S extends { readonly type: infer Type }
  ? Type extends readonly (infer Alternative)[]
    ? OfType<Alternative, S>
    : OfType<Type, S>
  : unknown;

type OfType<Type, S> = Type extends "string"
  ? string
  : Type extends "number" | "integer"
    ? number
    : Type extends "boolean"
      ? boolean
      : Type extends "null"
        ? null
        : Type extends "object"
          ? ObjectOf<S>
          : Type extends "array"
            ? ArrayOf<S>
            : unknown;

type AnyOf<S, Keyword extends "anyOf" | "oneOf"> = S extends { readonly [K in Keyword]: infer Branches extends readonly unknown[] }
  ? number extends Branches["length"]
    ? unknown
    : FromJson<Branches[number]>
  : unknown;

type AllOf<S> = S extends { readonly allOf: infer Branches extends readonly unknown[] } ? All<Branches> : unknown;

type All<Branches> = Branches extends readonly [infer First, ...infer Others] ? FromJson<First> & All<Others> : unknown;

type ObjectOf<S> = WithOthers<
  S,
  Members<
    S extends { readonly properties: infer Properties } ? Properties : {},
    // A list whose type is not literal does not tell which.
    S extends { readonly required: readonly (infer Name)[] } ? (string extends Name ? never : Name) : never
  >
>;

type Members<Properties, Required> = Flat<
  { -readonly [K in keyof Properties as K extends Required ? K : never]-?: FromJson<Properties[K]> } & {
    -readonly [K in keyof Properties as K extends Required ? never : K]?: FromJson<Properties[K]>;
  } & { [K in Exclude<Required, keyof Properties> & string]: unknown }
>;

type WithOthers<S, Known> = S extends { readonly additionalProperties: infer Others }
  ? Others extends false
    ? Known
    : Flat<Known & { [name: string]: S extends { readonly patternProperties: unknown } ? unknown : FromJson<Others> | Known[keyof Known] }>
  : keyof Known extends never
    ? { [name: string]: unknown }
    : Known;

type ArrayOf<S> = S extends { readonly prefixItems: infer Prefix extends readonly unknown[] }
  ? number extends Prefix["length"]
    ? unknown[]
    : [...PrefixOf<Prefix, S extends { readonly minItems: infer Least } ? Least : 0>, ...RestOf<S>]
  : RestOf<S>;

/** The first elements, which may be missing beyond the least number of elements. */
type PrefixOf<Prefix, Least, Before extends unknown[] = []> = Before["length"] extends Least
  ? { -readonly [K in keyof Prefix]?: FromJson<Prefix[K]> }
  : Prefix extends readonly [infer First, ...infer Others]
    ? [FromJson<First>, ...AsArray<PrefixOf<Others, Least, [...Before, First]>>]
    : [];

type RestOf<S> = S extends { readonly items: infer Items }
  ? Items extends false
    ? []
    : Items extends readonly unknown[]
      ? unknown[]
      : FromJson<Items>[]
  : unknown[];

type AsArray<T> = T extends readonly unknown[] ? T : never;

type Mutable<T> = T extends object ? { -readonly [K in keyof T]: Mutable<T[K]> } : T;

type Flat<T> = { [K in keyof T]: T[K] };
