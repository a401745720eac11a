/**
 * What a consumer without the DOM library declares of its own runtime: just enough of the web's
 * names for `fetch` to have a type.
 */

interface Event {
  readonly type: string;
}
interface AbortSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
}
interface Headers {
  get(name: string): string | null;
}
interface URL {
  readonly href: string;
}
declare var URL: { new (url: string, base?: string | URL): URL };
interface ReadableStream<R = any> {
  getReader(): { read(): Promise<{ done: boolean; value?: R }>; cancel(reason?: unknown): Promise<void> };
  cancel(reason?: unknown): Promise<void>;
}
interface Response {
  readonly ok: boolean;
  readonly status: number;
  readonly headers: Headers;
  readonly body: ReadableStream<Uint8Array> | null;
  text(): Promise<string>;
}
interface Request {
  readonly url: string;
}
interface RequestInit {
  method?: string;
  headers?: Record<string, string>;
  body?: string | null;
  signal?: AbortSignal | null;
}
declare function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
