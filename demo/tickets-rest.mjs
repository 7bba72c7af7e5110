// The tickets backend as a REST API. Like the MCP server it takes only tokens made for it.
//   TICKETS_REST_PORT  where it listens on 127.0.0.1       TICKETS_ISSUER  the authorization server
import { createServer } from 'node:http';
import { describe, Refused, refuse, token_check } from './backend-token.mjs';
import { close_ticket, read_ticket } from './tickets.mjs';

const port = Number(process.env.TICKETS_REST_PORT);
const authenticate = token_check(process.env.TICKETS_ISSUER);

const operations = [
  { method: 'GET', path: /^\/api\/tickets\/([^/]+)$/, scope: 'tickets:read', run: read_ticket },
  { method: 'POST', path: /^\/api\/tickets\/([^/]+)\/close$/, scope: 'tickets:write', run: close_ticket },
];

const serve = async (req, pathname) => {
  const caller = await authenticate(req);
  const operation = operations.find(({ method, path }) => method === req.method && path.test(pathname));
  if (!operation) throw new Refused(404, 'not_found', 'no such operation');
  if (!caller.scopes.includes(operation.scope)) throw new Refused(403, 'insufficient_scope', `${operation.scope} is needed`);
  const ticket = operation.run(operation.path.exec(pathname)[1]);
  if (!ticket) throw new Refused(404, 'not_found', 'no such ticket');
  return { ticket, caller: describe(caller) };
};

createServer(async (req, res) => {
  const { pathname } = new URL(req.url, 'http://backend');
  if (pathname === '/healthz') return res.writeHead(204).end();
  req.resume();
  try {
    const body = JSON.stringify(await serve(req, pathname));
    res.writeHead(200, { 'content-type': 'application/json' }).end(body);
  } catch (error) {
    refuse(res, error);
  }
}).listen(port, '127.0.0.1', () => console.log(`tickets over REST: http://127.0.0.1:${port}/api/tickets/<id>`));
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
