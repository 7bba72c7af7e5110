// An OAuthClientProvider that forgets everything at exit; the same object serves both generations of
// the SDK. Nothing listens at its redirect URI: the headless person stops there.
import { randomUUID } from 'node:crypto';

export const REDIRECT_URI = 'http://127.0.0.1:3334/callback';

/**
 * client_id        registered by an administrator beforehand; without it the SDK registers
 * client_document  https URL of a client id metadata document, where the server takes one
 * on               told of `registered`, `authorize`, `tokens`, never with a secret
 */
export function oauth_memory({ client_id, client_document, client_name = 'Agent gateway demonstration', grant_types = ['authorization_code', 'refresh_token'], on = () => {} } = {}) {
  const memory = { client: client_id ? { client_id } : undefined };
  return {
    memory,
    on,
    get redirectUrl() { return REDIRECT_URI; },
    get clientMetadata() {
      return { client_name, redirect_uris: [REDIRECT_URI], grant_types, response_types: ['code'], token_endpoint_auth_method: 'none' };
    },
    state: () => (memory.state = randomUUID()),
    clientInformation: () => memory.client,
    tokens: () => memory.tokens,
    saveTokens: (tokens) => { memory.tokens = tokens; on('tokens', { scope: tokens.scope, refresh: Boolean(tokens.refresh_token) }); },
    redirectToAuthorization: (url) => {
      memory.authorization_url = url;
      const { searchParams: asked } = url;
      on('authorize', { client_id: asked.get('client_id'), scope: asked.get('scope'), resource: asked.get('resource') });
    },
    saveCodeVerifier: (verifier) => { memory.verifier = verifier; },
    codeVerifier: () => memory.verifier,
    saveDiscoveryState: (found) => { memory.discovery = found; },
    discoveryState: () => memory.discovery,
    invalidateCredentials: (what) => {
      if (what === 'all' || what === 'tokens') delete memory.tokens;
      if (what === 'all' || what === 'client') delete memory.client;
    },
    // Only for what may register: an administrator's client is not the SDK's to replace.
    ...(!client_id && { saveClientInformation: (client) => { memory.client = client; on('registered', { client_id: client.client_id }); } }),
    ...(client_document && { clientMetadataUrl: client_document }),
  };
}

/** Has the person answer the pending authorization; resolves to the redirect's parameters. */
export async function sign_in(provider, person) {
  const { authorization_url, state } = provider.memory;
  const answer = await person.authorize(authorization_url, REDIRECT_URI);
  if (answer.get('state') !== state) throw new Error('the redirect carries another state: it answers somebody else\'s request');
  if (answer.has('error')) throw new Error(`${answer.get('error')}: ${answer.get('error_description') ?? ''}`);
  return answer;
}
