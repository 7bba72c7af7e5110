// Version 2 of the official SDK, from a URL to tool calls; see story.mjs.
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { tell_story } from './story.mjs';

await tell_story({
  UnauthorizedError,
  connect: async ({ url, provider, fetch, era, on_transport }) => {
    const client = new Client({ name: 'headless-v2', version: '1.0.0' }, { versionNegotiation: { mode: /^\d/.test(era) ? { pin: era } : era } });
    const transport = new StreamableHTTPClientTransport(url, { authProvider: provider, fetch });
    on_transport(transport);
    await client.connect(transport);
    return { client, version: () => client.getNegotiatedProtocolVersion() };
  },
  // The whole query: the SDK checks `iss` (RFC 9207).
  finish: (transport, redirect) => transport.finishAuth(redirect),
});
