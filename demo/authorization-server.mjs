// A small authorization server for demonstrations and tests, on oidc-provider: sign-in page, PKCE,
// resource indicators (RFC 8707), dynamic registration, client id metadata documents, and token
// exchange (RFC 8693) for one confidential client, the gateway. Plain http: for loopback only.
//
//   AS_PORT                 where it listens on 127.0.0.1
//   AS_RESOURCES            the protected resources it issues tokens for, separated by spaces
//   AS_GATEWAY_SECRET_FILE  the secret of the client `gateway`
//   AS_STATE                file that keeps keys, clients, sessions and refresh tokens; without it: memory
//   AS_CONFIG               people, scopes, audiences, clients; default: authorization-server.json
//   AS_TOKEN_TTL            life of an access token in seconds, 300
//   AS_CIMD_ORIGIN, AS_CIMD_BACKING   read client documents of this https origin from that http one
//   AS_LOG=1                one line for each request: method, path, status
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose';
import { Provider, errors } from 'oidc-provider';
import { sign_in_pages } from './sign-in.mjs';
import { open_state } from './state-file.mjs';
import { EXCHANGE_GRANT, register_token_exchange } from './token-exchange.mjs';

const env = process.env;
const required = (name) => env[name] || fail(`${name} is not set`);
const fail = (why) => { console.error(`authorization-server: ${why}`); process.exit(2); };

const port = Number(required('AS_PORT'));
const issuer = `http://127.0.0.1:${port}`;
const resources = new Set(required('AS_RESOURCES').split(/\s+/));
const gateway_secret = readFileSync(required('AS_GATEWAY_SECRET_FILE'), 'utf8').trim();
const token_ttl = Number(env.AS_TOKEN_TTL ?? 300);
const config = JSON.parse(readFileSync(env.AS_CONFIG ?? new URL('authorization-server.json', import.meta.url), 'utf8'));
const { people } = config;

const state = open_state(env.AS_STATE);
if (!state.document.key) {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const key = await exportJWK(privateKey);
  // The thumbprint as `kid`: verifiers remember keys by it, so two keys must never share one.
  state.document.key = { ...key, alg: 'ES256', use: 'sig', kid: await calculateJwkThumbprint(key) };
  state.document.cookie_key = randomBytes(32).toString('hex');
  state.touch();
}

const is_loopback = (url) => ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);

// Runs before oidc-provider's own checks, for registrations and for client documents.
const adapt_client_metadata = (_ctx, _name, _value, metadata) => {
  // SDKs register with the scope of the first challenge. Kept as the client's allow-list, it would
  // turn every later step-up into invalid_scope.
  delete metadata.scope;
  // Some SDKs send no application_type, and its default `web` wants the exact redirect port. A client
  // that returns to loopback or to an app's own scheme is a native one.
  const uris = [metadata.redirect_uris ?? []].flat().map((uri) => URL.parse(String(uri))).filter(Boolean);
  const plain = uris.filter((uri) => uri.protocol === 'http:');
  if (uris.some((uri) => uri.protocol !== 'https:') && plain.every(is_loopback)) metadata.application_type = 'native';
};

const fetch_client_document = (url, init) => {
  const origin = `${env.AS_CIMD_ORIGIN}/`;
  if (!String(url).startsWith(origin)) return fetch(url, init);
  return fetch(new URL(String(url).slice(origin.length), `${env.AS_CIMD_BACKING}/`), { ...init, dispatcher: undefined });
};

const provider = new Provider(issuer, {
  adapter: state.Adapter,
  jwks: { keys: [state.document.key] },
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  scopes: ['openid', 'offline_access', ...config.scopes],
  claims: { openid: ['sub'], profile: ['name', 'groups'] },
  extraClientMetadata: { properties: ['scope'], validator: adapt_client_metadata },
  cookies: { keys: [state.document.cookie_key] },
  pkce: { required: () => true },
  issueRefreshToken: async (_ctx, client, code) => client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
  ttl: { AccessToken: token_ttl, RefreshToken: 86400, Session: 86400, Grant: 86400, Interaction: 600, IdToken: 600 },
  clientBasedCORS: () => true,
  findAccount: async (_ctx, id) => Object.hasOwn(people, id)
    ? { accountId: id, claims: async () => ({ sub: id, name: people[id].name, groups: people[id].groups }) }
    : undefined,
  extraTokenClaims: async (_ctx, token) => token.accountId ? { groups: people[token.accountId]?.groups ?? [] } : undefined,
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true, initialAccessToken: false },
    clientIdMetadataDocument: { enabled: true, ack: 'draft-02' },
    revocation: { enabled: true },
    introspection: { enabled: true, allowedPolicy: async (_ctx, client) => client.clientId === 'gateway' },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: async (_ctx, resource) => {
        if (!resources.has(resource)) throw new errors.InvalidTarget();
        return { scope: config.scopes.join(' '), audience: resource, accessTokenFormat: 'jwt', accessTokenTTL: token_ttl, jwt: { sign: { alg: 'ES256' } } };
      },
      // For clients that ask for no resource: the first.
      defaultResource: async (_ctx, _client, one_of) => one_of ?? [...resources][0],
      useGrantedResource: async () => true,
    },
  },
  ...(env.AS_CIMD_ORIGIN && env.AS_CIMD_BACKING && { fetch: fetch_client_document }),
  clients: [
    { client_id: 'gateway', client_secret: gateway_secret, grant_types: [EXCHANGE_GRANT], response_types: [], redirect_uris: [] },
    ...config.clients,
  ],
});
await register_token_exchange(provider, { issuer, key: state.document.key, resources, audiences: config.audiences, people });

const pages = sign_in_pages(provider, people);
const protocol = provider.callback();

// Registration is the one endpoint that oidc-provider leaves without CORS.
const allow_registration_from_browsers = (req, res) => {
  res.setHeader('access-control-allow-origin', '*');
  if (req.method !== 'OPTIONS') return false;
  res.writeHead(204, { 'access-control-allow-methods': 'POST', 'access-control-allow-headers': 'content-type, mcp-protocol-version' }).end();
  return true;
};

const server = createServer((req, res) => {
  const { pathname } = new URL(req.url, issuer);
  // Only the path: queries and bodies hold codes and tokens.
  if (env.AS_LOG) res.on('finish', () => console.log(req.method, pathname, res.statusCode));
  if (pathname === '/reg' && allow_registration_from_browsers(req, res)) return;
  if (pathname.startsWith('/interaction/')) return pages(req, res);
  protocol(req, res);
});
for (const event of ['authorization.error', 'grant.error', 'server_error', 'registration_create.error', 'interaction.error'])
  provider.on(event, (_ctx, error) => console.error(event, error.message, error.error_description ?? '', error.error_detail ?? ''));
server.listen(port, '127.0.0.1', () => console.log(`authorization server: ${issuer}`));
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => { state.flush(); process.exit(0); });
