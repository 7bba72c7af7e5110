// node await-ready.mjs SECONDS URL...: waits until each URL answers with a 2xx; says what the last one said if not.
import { setTimeout as pause } from 'node:timers/promises';

const [seconds, ...urls] = process.argv.slice(2);
const until = Date.now() + Number(seconds) * 1000;

const probe = async (url) => {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
    return response.ok ? undefined : `HTTP ${response.status} ${(await response.text()).trim().slice(0, 200)}`;
  } catch (error) {
    return error.cause?.code ?? error.message;
  }
};

for (const url of urls) {
  for (let said = await probe(url); said; said = await probe(url)) {
    if (Date.now() >= until) { console.error(`${url} is not ready: ${said}`); process.exit(1); }
    await pause(100);
  }
}
