/**
 * The memory of the core's last instance, held weakly. To be imported before the package is, whose scripts keep the
 * instance to themselves.
 */

const { Instance, instantiate, Memory } = WebAssembly;
let last;

function note(instance) {
  last = new WeakRef(Object.values(instance.exports).find((value) => value instanceof Memory));
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
