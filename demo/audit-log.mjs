// Reads the gateway's audit log: one JSON object a line, completed lines only.
import { createReadStream, existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

const POLL_MS = 50;

/** The event of one request, or undefined if none appears within `wait_ms`. */
export async function event_of(file, request_id, wait_ms = 3000) {
  for (const until = Date.now() + wait_ms; ; await pause(POLL_MS)) {
    const text = existsSync(file) ? await readFile(file, 'utf8') : '';
    const complete = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
    const line = complete.find((candidate) => candidate.includes(`"id":${JSON.stringify(request_id)}`) && JSON.parse(candidate).id === request_id);
    if (line) return JSON.parse(line);
    if (Date.now() >= until) return undefined;
  }
}

/** Yields every event written from now on, until `signal` aborts. */
export async function* follow(file, signal) {
  let offset = existsSync(file) ? statSync(file).size : 0;
  let rest = '';
  while (!signal.aborted) {
    const size = existsSync(file) ? statSync(file).size : 0;
    if (size < offset) [offset, rest] = [0, '']; // rotated
    if (size > offset) {
      for await (const chunk of createReadStream(file, { start: offset, end: size - 1, encoding: 'utf8' })) rest += chunk;
      offset = size;
      const lines = rest.split('\n');
      rest = lines.pop();
      for (const line of lines) yield JSON.parse(line);
    }
    await pause(POLL_MS * 4, undefined, { signal }).catch(() => {});
  }
}
