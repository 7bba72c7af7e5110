// The tickets backend as an MCP server, by the official SDK, for both eras of the protocol. It
// takes no call without a token of its own (TICKETS_ISSUER signs it) and says in each answer whose.
//   TICKETS_MCP_PORT  where it listens on 127.0.0.1       TICKETS_ISSUER  the authorization server
import { createServer } from 'node:http';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { z } from 'zod';
import { describe, refuse, token_check } from './backend-token.mjs';
import { close_ticket, read_ticket, search_docs } from './tickets.mjs';

const port = Number(process.env.TICKETS_MCP_PORT);
const authenticate = token_check(process.env.TICKETS_ISSUER);

const failure = (text) => ({ isError: true, content: [{ type: 'text', text }] });
const by_id = z.object({ id: z.string() });

const tickets_server = (caller) => {
  const server = new McpServer({ name: 'tickets', version: '1.0.0' });

  /** `run` returns what the answer holds, or undefined if there is no such thing. */
  const tool = (name, { scope, ...definition }, run) => server.registerTool(name, definition, (args) => {
    if (!caller.scopes.includes(scope)) return failure(`${scope} is needed.`);
    const found = run(args);
    if (!found) return failure('There is no such ticket.');
    return { content: [{ type: 'text', text: JSON.stringify({ ...found, caller: describe(caller) }) }] };
  });
  const ticket = (value) => value && { ticket: value };

  tool('ticket.read', { scope: 'tickets:read', description: 'Read one ticket', inputSchema: by_id, annotations: { readOnlyHint: true } },
    ({ id }) => ticket(read_ticket(id)));
  tool('ticket.close', { scope: 'tickets:write', description: 'Close one ticket', inputSchema: by_id, annotations: { destructiveHint: true, idempotentHint: true } },
    ({ id }) => ticket(close_ticket(id)));
  tool('search_docs', { scope: 'tickets:read', description: 'Search the handbook', inputSchema: z.object({ query: z.string() }), annotations: { readOnlyHint: true } },
    ({ query }) => ({ pages: search_docs(query) }));
  return server;
};

const handle = toNodeHandler(createMcpHandler(({ authInfo }) => tickets_server(authInfo.extra), { legacy: 'stateless' }));

createServer(async (req, res) => {
  const { pathname } = new URL(req.url, 'http://backend');
  if (pathname === '/healthz') return res.writeHead(204).end();
  if (pathname !== '/mcp') return res.writeHead(404).end();
  try {
    const caller = await authenticate(req);
    req.auth = { token: caller.token, clientId: caller.agent ?? '', scopes: caller.scopes, expiresAt: caller.expires, extra: caller };
  } catch (error) {
    return refuse(res, error);
  }
  return handle(req, res);
}).listen(port, '127.0.0.1', () => console.log(`tickets over MCP: http://127.0.0.1:${port}/mcp`));
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
