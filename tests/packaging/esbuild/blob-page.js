// Bundlers that put a worker into the page's script make it of a blob.
const output = document.querySelector("output");
const script = await (await fetch("./worker.js")).text();
const worker = new Worker(URL.createObjectURL(new Blob([script], { type: "text/javascript" })), { type: "module" });
worker.onerror = ({ message }) => console.error(message);
worker.onmessage = ({ data }) => {
  output.append(data);
  output.dataset.done = "";
};
