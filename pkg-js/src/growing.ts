/** A JSON value that grows by the patches of the core's incremental reader. */

/** The numbers are those of the core's `Patch`. */
const OBJECT = 0;
const ARRAY = 1;
const CLOSE = 2;
const KEY = 3;
const TEXT = 4;
const MORE = 5;

type Container = Record<string, unknown> | unknown[];

/** Builds one value in place: what a patch adds costs what it adds, however large the value is. */
export class Growing {
  /** The value so far; `undefined` before its first character. */
  value: unknown;

  readonly #open: Container[] = [];
  #key = "";

  apply(patch: number, text: string): void {
    const open = this.#open;
    if (patch === KEY) this.#key = text;
    else if (patch === TEXT) this.#put(text);
    else if (patch === MORE) this.#append(text);
    else if (patch === CLOSE) open.pop();
    else if (patch === OBJECT || patch === ARRAY) {
      const container: Container = patch === OBJECT ? {} : [];
      this.#put(container);
      open.push(container);
    } else this.#put(JSON.parse(text));
  }

  #put(value: unknown): void {
    const container = this.#open.at(-1);
    if (container === undefined) this.value = value;
    else if (Array.isArray(container)) container.push(value);
    else if (this.#key !== "__proto__") container[this.#key] = value;
    // A key like any other, as for JSON.parse; assigned to, it would be the object's prototype.
    else Object.defineProperty(container, this.#key, { value, configurable: true, enumerable: true, writable: true });
  }

  #append(text: string): void {
    const container = this.#open.at(-1);
    if (container === undefined) this.value += text;
    else if (Array.isArray(container)) container[container.length - 1] += text;
    else (container[this.#key] as string) += text;
  }
}
