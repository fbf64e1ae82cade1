// What a Node program does between its start and its end; prints one line.
const { Worker, isMainThread, parentPort } = require("node:worker_threads");
const { execFile } = require("node:child_process");
const fs = require("node:fs/promises");
const os = require("node:os");
const zlib = require("node:zlib");

async function main() {
  const fromWorker = await new Promise((resolve, reject) => {
    const worker = new Worker(__filename);
    worker.on("message", resolve);
    worker.on("error", reject);
  });
  const fromChild = await new Promise((resolve, reject) =>
    execFile("/bin/sh", ["-c", "echo 22"], (error, out) => (error ? reject(error) : resolve(Number(out)))));
  const directory = await fs.mkdtemp("/tmp/node-");
  await fs.writeFile(`${directory}/file`, zlib.gzipSync("content"));
  if (zlib.gunzipSync(await fs.readFile(`${directory}/file`)).toString() !== "content") throw new Error("file");
  await fs.rm(directory, { recursive: true });
  await new Promise((resolve) => setTimeout(resolve, 10));
  if (os.cpus().length < 1) throw new Error("processors");
  console.log("sum", fromWorker + fromChild);
}

if (isMainThread) main().catch((error) => { console.error(error); process.exit(1); });
else parentPort.postMessage(20);
