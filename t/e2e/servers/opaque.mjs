// oidc-provider with opaque access tokens, for the introspection stories: client credentials, introspection, revocation.
//   OIDC_PROVIDER     the package's main file     PORT     where it listens on 127.0.0.1
//   RESOURCE          the resource that tokens are for      SECRET   of both clients
import { generateKeyPairSync } from 'node:crypto';

const { PORT, RESOURCE, SECRET, OIDC_PROVIDER } = process.env;
const { Provider } = await import(OIDC_PROVIDER);
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = { ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: 'one' };

const confidential = { client_secret: SECRET, redirect_uris: [], response_types: [], id_token_signed_response_alg: 'ES256' };
const provider = new Provider(`http://127.0.0.1:${PORT}`, {
  jwks: { keys: [key] },
  scopes: ['tickets:read', 'tickets:write'],
  // A machine's token that names the person whom it was made for, as this server's operator decides.
  extraTokenClaims: async () => ({ sub: 'mira', groups: ['support'] }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    revocation: { enabled: true },
    introspection: { enabled: true, allowedPolicy: async (_ctx, client) => client.clientId === 'gateway' },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: async (_ctx, resource) => ({ scope: 'tickets:read tickets:write', audience: resource, accessTokenFormat: 'opaque', accessTokenTTL: 300 }),
      defaultResource: async () => RESOURCE,
    },
  },
  clients: [
    { client_id: 'gateway', grant_types: [], ...confidential },
    { client_id: 'docs-assistant', grant_types: ['client_credentials'], ...confidential },
  ],
});
provider.listen(Number(PORT), '127.0.0.1');
