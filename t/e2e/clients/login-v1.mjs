// Version 1 of the official SDK, from a URL to tool calls; see story.mjs.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { tell_story } from './story.mjs';

await tell_story({
  UnauthorizedError,
  connect: async ({ url, provider, fetch, on_transport }) => {
    const client = new Client({ name: 'headless-v1', version: '1.0.0' });
    const transport = new StreamableHTTPClientTransport(url, { authProvider: provider, fetch });
    on_transport(transport);
    await client.connect(transport);
    return { client, version: () => transport.protocolVersion };
  },
  finish: (transport, redirect) => transport.finishAuth(redirect.get('code')),
});
