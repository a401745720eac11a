/** The WebAssembly module, as base64. Written by the build. */
export declare const base64: string;
