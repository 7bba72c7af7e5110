// The MCP server that the conformance suite is run against, directly and through the gateway: on the official SDK, both
// eras at one URL. It prints one line of JSON with its port when it listens:
//
//   node fixture.mjs [--port N] [--keep-alive MS]
//
// 2026-07-28 is served statelessly; 2025-11-25 and before with sessions, a GET stream and replay by Last-Event-ID.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { createMcpHandler, isInitializeRequest } from '@modelcontextprotocol/server';
import { localhostHostValidation, localhostOriginValidation, NodeStreamableHTTPServerTransport, toNodeHandler } from '@modelcontextprotocol/node';
import { EventMemory } from './events.mjs';
import { surface } from './surface.mjs';

const { values: options } = parseArgs({ options: {
  port: { type: 'string', default: '0' }, 'keep-alive': { type: 'string', default: '5000' }, // between comments on a stream of 2026-07-28
} });
const MODERN = '2026-07-28';

const good_host = localhostHostValidation();
const good_origin = localhostOriginValidation();
const sessions = new Map(); // session id -> { server, transport }

/** Tells every client that listens, whichever era it speaks. */
const notify = {
  tools: () => { modern.notify.toolsChanged(); each_session((server) => server.sendToolListChanged()); },
  prompts: () => { modern.notify.promptsChanged(); each_session((server) => server.sendPromptListChanged()); },
  resources: () => { modern.notify.resourcesChanged(); each_session((server) => server.sendResourceListChanged()); },
  resource: (uri) => {
    modern.notify.resourceUpdated(uri);
    each_session((server, { watched }) => watched.has(uri) && server.server.sendResourceUpdated({ uri }));
  },
};
const each_session = (tell) => {
  for (const session of sessions.values()) tell(session.server, session);
};

const modern = createMcpHandler(() => surface({ era: 'modern', notify }), { legacy: 'reject', keepAliveMs: Number(options['keep-alive']) });
const serve_modern = toNodeHandler(modern);

const refuse = (res, status, code, message, id = null) =>
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', error: { code, message }, id }));

const open_session = async (req, res, body) => {
  const watched = new Set();
  const server = surface({ era: 'legacy', notify, watched });
  const transport = new NodeStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    eventStore: new EventMemory(),
    retryInterval: 200,
    onsessioninitialized: (id) => { sessions.set(id, { server, transport, watched }); },
    onsessionclosed: (id) => { sessions.delete(id); },
  });
  transport.onclose = () => sessions.delete(transport.sessionId);
  await server.connect(transport);
  await transport.handleRequest(req, res, body);
};

const serve_legacy = async (req, res, body) => {
  const id = req.headers['mcp-session-id'];
  if (id === undefined) {
    if (isInitializeRequest(body)) return open_session(req, res, body);
    return refuse(res, 400, -32000, 'Bad Request: Mcp-Session-Id header is required', body?.id);
  }
  const session = sessions.get(id);
  if (session === undefined) return refuse(res, 404, -32001, 'Session not found', body?.id);
  return session.transport.handleRequest(req, res, body);
};

const read = async (req) => {
  const pieces = [];
  for await (const piece of req) pieces.push(piece);
  return Buffer.concat(pieces).toString();
};

/** Modern is what says so in its header or its body; see the SDK's isLegacyRequest, which wants a web request. */
const is_modern = (req, body) => {
  const declared = req.headers['mcp-protocol-version'];
  if (declared !== undefined && declared >= MODERN) return true;
  return body?.params?._meta?.['io.modelcontextprotocol/protocolVersion'] !== undefined
    || body?.method === 'server/discover';
};

const serve = async (req, res) => {
  if (!good_host(req, res) || !good_origin(req, res)) return undefined;
  if (new URL(req.url, 'http://localhost').pathname !== '/mcp') return refuse(res, 404, -32000, 'Not found');
  if (req.method !== 'POST') return is_modern(req) ? serve_modern(req, res) : serve_legacy(req, res);
  let body;
  try {
    body = JSON.parse(await read(req));
  } catch {
    return refuse(res, 400, -32700, 'Parse error');
  }
  return is_modern(req, body) ? serve_modern(req, res, body) : serve_legacy(req, res, body);
};

const listener = createServer((req, res) => {
  serve(req, res).catch((error) => {
    console.error(error);
    if (!res.headersSent) refuse(res, 500, -32603, 'Internal error');
    else res.destroy();
  });
});
listener.keepAliveTimeout = 60_000; // a proxy that keeps connections must not meet one that is just being closed
listener.listen(Number(options.port), '127.0.0.1', () => console.log(JSON.stringify({ port: listener.address().port })));
