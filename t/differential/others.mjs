// The same questions to JavaScript: `bodies` to JSON.parse, `tokens` to the package jose, `conditions` to @bufbuild/cel.
// Lines in and out as the drivers'.
import { createInterface } from 'node:readline';

const hex = (text) => 's' + Buffer.from(text, 'utf8').toString('hex');
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function canonical(value) {
  if (value === null) return 'n';
  if (value === true) return 't';
  if (value === false) return 'f';
  if (typeof value === 'string') return hex(value);
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(value === 0 ? 0 : value);
    return 'd' + bytes.toString('hex');
  }
  if (Array.isArray(value)) return '[' + value.map(canonical).join(',') + ']';
  const members = Object.keys(value).map((key) => [hex(key), canonical(value[key])]);
  members.sort((a, b) => (a[0] < b[0] ? -1 : 1));
  return '{' + members.map(([key, item]) => key + ':' + item).join(',') + '}';
}

function read(body) {
  let root;
  try {
    root = JSON.parse(decoder.decode(body));
  } catch {
    return '-';
  }
  if (root === null || typeof root !== 'object' || Array.isArray(root)) return '-';
  const method = root.method ?? '';
  const by_name = method === 'tools/call' || method === 'prompts/get';
  const name = by_name ? root.params?.name : method === 'resources/read' ? root.params?.uri : '';
  const given = by_name ? root.params?.arguments : undefined;
  if (typeof method !== 'string' || typeof name !== 'string') return '-';
  return `${hex(method)} ${hex(name)} ${given === undefined ? '' : canonical(given)}`;
}

// CEL's whole numbers are BigInts here.
function whole(value) {
  if (typeof value === 'number') return BigInt(value);
  if (Array.isArray(value)) return value.map(whole);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, whole(item)]));
}

function judge(run, { cel, call }) {
  const { args, ...rest } = whole(call);
  const answer = run(cel, { args, call: rest });
  return answer === true ? 'yes' : answer === false ? 'no' : 'absent';
}

async function main(what) {
  // Before the first line is asked for: none waits for a reader that comes later.
  const { run } = what === 'conditions' ? await import('@bufbuild/cel') : {};
  const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
  let verify;
  const out = [];
  for await (const line of lines) {
    if (what === 'bodies') {
      out.push(read(Buffer.from(line.slice(line.indexOf(' ') + 1), 'hex')));
    } else if (what === 'conditions') {
      out.push(judge(run, JSON.parse(line)));
    } else if (verify === undefined) {
      const { compactVerify, createLocalJWKSet } = await import('jose');
      const keys = createLocalJWKSet(JSON.parse(line));
      verify = (token) => compactVerify(token, keys);
    } else {
      try {
        const { payload } = await verify(Buffer.from(line, 'hex').toString('latin1'));
        out.push('+' + Buffer.from(payload).toString('hex'));
      } catch (error) {
        out.push('-' + (error.code ?? error.name));
      }
    }
  }
  process.stdout.write(out.join('\n') + '\n');
}

await main(process.argv[2]);
