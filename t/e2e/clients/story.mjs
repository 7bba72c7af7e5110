// What the login clients of both SDK generations have in common: how they are told what to do, and
// what they tell. Started as
//
//   node login-vN.mjs --url MCP_URL [--mode dcr|cimd|prereg] [--client-id ID] [--user NAME] [--password P]
//        [--era legacy|auto|VERSION] [--no-refresh] [--pause-ms N] [--document-port N]
//        [--document-url HTTPS_URL] [--call 'TOOL JSON']...
//
// they print one JSON object a line: registered, authorize, tokens as they happen; connected with the
// protocol version; tools; call with tool, status, request_id and result or reason, message, code;
// step_up for a call that ends in a demand to sign in again, which the person does before the call is
// made once more; failed.
// Exit status 0: connected, and every call was answered, with a result or a refusal.
//
// They are run from the folder that `scripts/node-app t/e2e/clients demo` prints.
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { ObservingFetch } from '../../../demo/answer.mjs';
import { oauth_memory, REDIRECT_URI, sign_in } from '../../../demo/oauth-memory.mjs';
import { Person } from '../../../demo/person.mjs';

const tell = (event, facts = {}) => console.log(JSON.stringify({ event, ...facts }));

const { values: options } = parseArgs({ options: {
  url: { type: 'string' },
  mode: { type: 'string', default: 'dcr' },
  'client-id': { type: 'string', default: 'prereg' },
  user: { type: 'string', default: 'mira' },
  password: { type: 'string' },
  era: { type: 'string', default: 'auto' },
  'no-refresh': { type: 'boolean', default: false },
  'pause-ms': { type: 'string', default: '0' }, // between calls, to let an access token expire
  'document-port': { type: 'string', default: '0' },
  'document-url': { type: 'string', default: 'https://clients.example/headless.json' },
  call: { type: 'string', multiple: true, default: [] },
} });

/** The client's metadata document, on loopback; the authorization server maps the https name to it. */
const serve_document = async (client_id) => {
  const document = {
    client_id, client_name: 'Document client', application_type: 'native', redirect_uris: [REDIRECT_URI],
    grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'], token_endpoint_auth_method: 'none',
  };
  const server = createServer((_req, res) => res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document)));
  await new Promise((listening) => server.listen(Number(options['document-port']), '127.0.0.1', listening));
  return server;
};

/**
 * connect({ url, provider, fetch, era, on_transport }) resolves to { client, version() }; it may throw
 * an UnauthorizedError, and is called again after the sign-in. It gives the transport it made to
 * `on_transport` before it uses it.
 * finish(transport, redirect) redeems the code among the redirect's query parameters.
 */
export async function tell_story({ connect, finish, UnauthorizedError }) {
  const { url, mode } = options;
  const provider = oauth_memory({
    client_id: mode === 'prereg' ? options['client-id'] : undefined,
    client_document: mode === 'cimd' ? options['document-url'] : undefined,
    grant_types: options['no-refresh'] ? ['authorization_code'] : undefined,
    on: tell,
  });
  const person = new Person(options.user, { password: options.password });
  const observed = new ObservingFetch(url);
  const document = mode === 'cimd' ? await serve_document(options['document-url']) : undefined;
  let transport;

  const with_sign_in = async (attempt) => {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof UnauthorizedError)) throw error;
      await finish(transport, await sign_in(provider, person));
      return attempt();
    }
  };

  const call = async (client, tool, args) => {
    const { error, ...answer } = await observed.call(() => client.callTool({ name: tool, arguments: args }));
    if (!(error instanceof UnauthorizedError)) return answer;
    tell('step_up', { tool, ...answer });
    throw error;
  };

  const connection = { url: new URL(url), provider, fetch: observed.fetch, era: options.era, on_transport: (made) => { transport = made; } };
  let client;
  try {
    let version;
    ({ client, version } = await with_sign_in(() => connect(connection)));
    tell('connected', { version: version(), client_id: provider.memory.client.client_id });
    tell('tools', { tools: (await client.listTools()).tools.map(({ name }) => name) });
    for (const [index, line] of options.call.entries()) {
      if (index > 0) await new Promise((resume) => setTimeout(resume, Number(options['pause-ms'])));
      const [tool, ...rest] = line.split(' ');
      const args = JSON.parse(rest.join(' ') || '{}');
      tell('call', { tool, ...await with_sign_in(() => call(client, tool, args)) });
    }
  } catch (error) {
    tell('failed', { error: error.constructor.name, message: error.message });
    process.exitCode = 1;
  }
  await client?.close().catch(() => {});
  document?.close();
  document?.closeAllConnections();
}
