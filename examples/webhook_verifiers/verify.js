// node verify.js ID TIMESTAMP SIGNATURES [NOW] < body, with WEBHOOK_SECRET=whsec_…; exit code 0: it is genuine.

const crypto = require("node:crypto");
const fs = require("node:fs");

const TOLERANCE = 300; // seconds between the sender's clock and ours

// body is a Buffer: what came in, byte for byte, before anything parsed it (express.raw(), not express.json()).
function genuine(secret, id, timestamp, signatures, body, now) {
  if (!/^[0-9]{1,12}$/.test(timestamp) || Math.abs(now - Number(timestamp)) > TOLERANCE) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const digest = crypto.createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64");
  const expected = Buffer.from("v1," + digest);
  return signatures.split(" ").some((one) => {
    const given = Buffer.from(one);
    return given.length === expected.length && crypto.timingSafeEqual(given, expected);
  });
}

const [id, timestamp, signatures, now = Date.now() / 1000] = process.argv.slice(2);
const body = fs.readFileSync(0);
process.exit(genuine(process.env.WEBHOOK_SECRET, id, timestamp, signatures, body, Number(now)) ? 0 : 1);
