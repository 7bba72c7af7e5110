// Version 2 of the official SDK; see tour.mjs.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { answers, tour } from './tour.mjs';

await tour(async ({ url, headers, era }) => {
  const client = new Client({ name: 'tour-v2', version: '1.0.0' }, {
    capabilities: { elicitation: {}, sampling: {}, roots: {} }, versionNegotiation: { mode: /^\d/.test(era) ? { pin: era } : era },
  });
  client.setRequestHandler('elicitation/create', answers.elicit);
  client.setRequestHandler('sampling/createMessage', answers.sample);
  client.setRequestHandler('roots/list', answers.roots);
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
  return {
    client, version: () => client.getNegotiatedProtocolVersion(),
    call: (name, args, how) => client.callTool({ name, arguments: args }, how),
  };
});
