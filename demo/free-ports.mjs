// node free-ports.mjs PORT...: prints for each wanted loopback port that port, or a free one if it is taken.
import { createServer } from 'node:net';

const listen = (port) => new Promise((resolve, reject) => {
  const server = createServer().once('error', reject).listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(server));
});

// All are held until the last is found, so that none is given twice.
const held = [];
for (const wanted of process.argv.slice(2)) held.push(await listen(Number(wanted)).catch(() => listen(0)));
console.log(held.map((server) => server.address().port).join(' '));
for (const server of held) server.close();
