// Places orders by Session and Submit and follows their events, with nothing but the protos; prints one JSON object.
// node client.js ADDRESS TOKEN SYMBOL PROTOS
"use strict";

const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [address, token, symbol, protos] = process.argv.slice(2);
const FILES = ["order_entry_service", "order_events_service", "order_query_service"];
const WAIT_MS = 60000;

const definition = loader.loadSync(
  FILES.map((name) => `ordergate/v1/${name}.proto`),
  { includeDirs: [protos], keepCase: true, enums: String, longs: Number, defaults: true },
);
const v1 = grpc.loadPackageDefinition(definition).ordergate.v1;
const credentials = grpc.credentials.createInsecure();
const entry = new v1.OrderEntryService(address, credentials);
const events = new v1.OrderEventsService(address, credentials);
const queries = new v1.OrderQueryService(address, credentials);
const metadata = new grpc.Metadata();
metadata.set("authorization", `Bearer ${token}`);

function order(command_id, terms) {
  return {
    command_id,
    new_order: {
      symbol,
      side: "SIDE_BUY",
      order_type: "ORDER_TYPE_LIMIT",
      time_in_force: "TIME_IN_FORCE_GTC",
      quantity: "2",
      limit_price: "10.00",
      ...terms,
    },
  };
}

function call(client, method, request) {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + WAIT_MS;
    client[method](request, metadata, { deadline }, (error, response) => (error ? reject(error) : resolve(response)));
  });
}

// A Session: sends the commands, collects until it has as many acks and events, half-closes, waits for the end.
function session(commands, acks_wanted, events_wanted) {
  return new Promise((resolve, reject) => {
    const stream = entry.Session(metadata);
    const found = { welcome: null, acks: [], events: [], status: null };
    let closed = false;
    stream.on("data", (message) => {
      found.welcome ??= message.welcome;
      found.acks.push(...message.acks);
      found.events.push(...message.events);
      if (!closed && found.acks.length >= acks_wanted && found.events.length >= events_wanted) {
        closed = true;
        stream.end();
      }
    });
    stream.on("status", (status) => { found.status = status.code; });
    stream.on("error", reject);
    stream.on("end", () => setImmediate(() => resolve(found)));
    stream.write({ hello: { client: "node/1" } });
    stream.write({ commands });
  });
}

// Follow from the beginning until so many events have come.
function follow(wanted) {
  return new Promise((resolve, reject) => {
    const stream = events.Follow({ start: { beginning: {} } }, metadata);
    const found = [];
    stream.on("data", (message) => {
      found.push(...message.events);
      if (found.length >= wanted) stream.cancel();
    });
    stream.on("error", (error) => (error.code === grpc.status.CANCELLED ? resolve(found) : reject(error)));
  });
}

async function main() {
  const told = await session(
    [order("node-1", {}), order("node-2", { side: "SIDE_SELL", quantity: "1", time_in_force: "TIME_IN_FORCE_IOC" })],
    2,
    4,
  );
  const first = await call(entry, "Submit", { command: order("node-3", {}) });
  const second = await call(entry, "Submit", { command: order("node-3", {}) });
  const canceled = await call(entry, "Submit", {
    command: { command_id: "node-4", ack_level: "ACK_LEVEL_ENGINE", cancel_order: { order: { client_order_id: "node-3" } } },
  });
  const found = await call(queries, "GetOrder", { order: { client_order_id: "node-1" } });
  const refused = await call(entry, "Submit", { command: order("node-5", { quantity: "0" }) }).catch((error) => error);
  const past = await follow(7);
  console.log(JSON.stringify({
    session: told,
    submits: [first.ack, second.ack],
    canceled: canceled.ack,
    found: found.order,
    refused: { code: refused.code, details: refused.details },
    past,
  }));
}

setTimeout(() => { console.error("nothing came in time"); process.exit(2); }, WAIT_MS).unref();
main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
