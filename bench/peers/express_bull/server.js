"use strict";
// The classic recipe: Express proves who sent it, Bull keeps it in Redis, a worker forwards it.
//
//   node server.js PORT REDIS_SOCKET SINK_URL SECRET

const crypto = require("node:crypto");
const http = require("node:http");

const Queue = require("bull");
const express = require("express");

const CONCURRENCY = 16;
const [port, redis, sink, secret] = process.argv.slice(2);

const queue = new Queue("webhooks", {
  redis: { path: redis },
  defaultJobOptions: { attempts: 10, backoff: { type: "exponential", delay: 1000 }, removeOnComplete: true },
});

function proven(request) {
  const expected = Buffer.from("sha256=" + crypto.createHmac("sha256", secret).update(request.body).digest("hex"));
  const given = Buffer.from(request.get("X-Hub-Signature-256") ?? "");
  return given.length === expected.length && crypto.timingSafeEqual(given, expected);
}

const app = express();
app.disable("x-powered-by");
app.disable("etag");
app.post(/.*/, express.raw({ type: "*/*", limit: "3mb" }), async (request, response) => {
  if (!proven(request)) return response.sendStatus(401);
  await queue.add({ body: request.body.toString() });
  return response.json({ ok: true });
});

const agent = new http.Agent({ keepAlive: true, maxSockets: CONCURRENCY });

function forward(job) {
  const body = Buffer.from(job.data.body);
  const headers = { "Content-Type": "application/json", "Content-Length": body.length, "webhook-id": job.id };
  return new Promise((resolve, reject) => {
    const request = http.request(sink, { method: "POST", agent, headers, timeout: 15000 }, (response) => {
      response.resume();
      response.on("error", reject);
      response.on("end", () => (response.statusCode < 300 ? resolve() : reject(new Error(`${response.statusCode}`))));
    });
    request.on("timeout", () => request.destroy(new Error("timeout")));
    request.on("error", reject);
    request.end(body);
  });
}

queue.process(CONCURRENCY, forward);
queue.isReady().then(() => app.listen(Number(port), "127.0.0.1", 1024));
