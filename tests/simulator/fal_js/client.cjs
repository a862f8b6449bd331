// The stock JavaScript client against the simulator. Only the host of each request is rewritten, as the client offers it.
// Usage: FAL_KEY=… node client.cjs http://127.0.0.1:PORT everything|multipart; prints one JSON object.
const { createFalClient } = require("@fal-ai/client");

const ENDPOINT = "sonauto/v2/text-to-music";
const INPUT = { tags: ["pop"], lyrics_prompt: "sing a song", seed: 7 };
const [base, what] = process.argv.slice(2);
const seenHosts = new Set();

async function requestMiddleware(request) {
  const url = new URL(request.url);
  seenHosts.add(url.host);
  return { ...request, url: base + url.pathname + url.search };
}

const fal = createFalClient({ credentials: process.env.FAL_KEY, requestMiddleware });

async function everything() {
  const submitted = await fal.queue.submit(ENDPOINT, { input: INPUT });
  const updates = [];
  const finished = await fal.queue.subscribeToStatus(ENDPOINT, {
    requestId: submitted.request_id,
    logs: true,
    pollInterval: 20,
    onQueueUpdate: (update) => updates.push(update.status),
  });
  const status = await fal.queue.status(ENDPOINT, { requestId: submitted.request_id, logs: true });
  const result = await fal.queue.result(ENDPOINT, { requestId: submitted.request_id });
  const subscribed = await fal.subscribe(ENDPOINT, { input: { ...INPUT, num_songs: 2 }, pollInterval: 20 });
  const refused = await fal
    .subscribe(ENDPOINT, { input: { tags: ["pop"] }, pollInterval: 20 })
    .catch((error) => ({ name: error.name, status: error.status, body: error.body }));
  const again = await fal.queue
    .cancel(ENDPOINT, { requestId: submitted.request_id })
    .catch((error) => ({ status: error.status, body: error.body }));
  const file = await fal.storage.upload(new File([new Uint8Array([1, 2, 3])], "take.wav", { type: "audio/wav" }));
  const uploaded = Array.from(new Uint8Array(await (await fetch(file)).arrayBuffer()));
  return { submitted, updates, finished, status, result, subscribed, refused, again, uploaded, hosts: [...seenHosts] };
}

async function multipart() {
  const size = 91 * 1024 * 1024;
  const bytes = new Uint8Array(size);
  bytes[0] = 1;
  bytes[size - 1] = 2;
  const url = await fal.storage.upload(new File([bytes], "long.wav", { type: "audio/wav" }));
  const answer = new Uint8Array(await (await fetch(url)).arrayBuffer());
  return { size: answer.length, first: answer[0], last: answer[size - 1] };
}

(what === "multipart" ? multipart() : everything()).then(
  (output) => process.stdout.write(JSON.stringify(output)),
  (error) => {
    process.stderr.write(`${error.stack}\n${JSON.stringify(error.body ?? null)}\n`);
    process.exitCode = 1;
  },
);
