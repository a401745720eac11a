/**
 * The memory of the core's last instance, held weakly. To be imported before the package is, whose scripts keep the
 * instance to themselves.
 */

const { Instance, instantiate, Memory } = WebAssembly;
let last;

function note(instance) {
  const memory = Object.values(instance.exports).find((value) => value instanceof Memory);
  // The core's stack is a mebibyte; Node's own modules have less.
  if (memory?.buffer.byteLength > 2 ** 20) last = new WeakRef(memory);
  return instance;
}

WebAssembly.Instance = new Proxy(Instance, { construct: (target, given) => note(new target(...given)) });
WebAssembly.instantiate = async (source, imports) => {
  const result = await instantiate(source, imports);
  note(result.instance ?? result);
  return result;
};

/** @returns {WeakRef<WebAssembly.Memory>} */
export const lastMemory = () => last;
