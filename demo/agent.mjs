// An agent that knows nothing but URLs: the official SDK's client, with a headless person beside it.
// What its calls return is described in answer.mjs.
import { auth, Client, extractWWWAuthenticateParams, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { answer_of, ObservingFetch } from './answer.mjs';
import { oauth_memory, sign_in } from './oauth-memory.mjs';

export class Agent {
  /**
   * provider, person  as of oauth-memory.mjs and person.mjs
   * era               `legacy`, `auto`, or the protocol version to insist on
   */
  constructor({ url, provider, person, name = '', era = 'auto' }) {
    Object.assign(this, { url: new URL(url), provider, person, name, era });
    this.observed = new ObservingFetch(url);
  }

  get protocol_version() { return this.client.getNegotiatedProtocolVersion(); }

  /** Discovers, registers and signs in as far as the server asks for it. */
  async connect() {
    const attempt = async () => {
      const versionNegotiation = { mode: /^\d/.test(this.era) ? { pin: this.era } : this.era };
      this.client = new Client({ name: 'agent-gateway-demo', version: '1.0.0' }, { versionNegotiation });
      this.transport = new StreamableHTTPClientTransport(this.url, { authProvider: this.provider, fetch: this.observed.fetch });
      await this.client.connect(this.transport);
    };
    try {
      await attempt();
    } catch (error) {
      if (!(error instanceof UnauthorizedError)) throw error;
      await this.finish_sign_in();
      await attempt();
    }
  }

  /** Ends what a 401 or a 403 insufficient_scope has begun: the person answers, the code is redeemed. */
  async finish_sign_in() { await this.transport.finishAuth(await sign_in(this.provider, this.person)); }

  async tools() { return (await this.client.listTools()).tools.map(({ name }) => name); }

  call(tool, args) { return this.observed.call(() => this.client.callTool({ name: tool, arguments: args })); }

  /** The same agent and user at a REST API behind the same gateway, found the same way. */
  rest(url) { return new RestAgent(url, this); }

  /** What a server other than the gateway says to the token that the agent holds. */
  with_its_token(url) {
    return async (path) => {
      const authorization = `Bearer ${this.provider.memory.tokens.access_token}`;
      return answer_of(await fetch(new URL(path, url), { headers: { authorization } }));
    };
  }

  close() { return this.client?.close(); }
}

class RestAgent {
  constructor(url, { provider, person }) {
    Object.assign(this, { url, person });
    this.provider = oauth_memory({ on: provider.on });
    this.provider.memory.client = provider.memory.client;
  }

  /** Calls once; signs in for this resource and calls again where the answer is 401. */
  async call(method, path) {
    let response = await this.#send(method, path);
    if (response.status === 401) {
      await this.#sign_in(extractWWWAuthenticateParams(response));
      response = await this.#send(method, path);
    }
    const answer = await answer_of(response);
    return response.ok ? { ...answer, result: await response.json() } : answer;
  }

  async #sign_in({ resourceMetadataUrl, scope }) {
    const login = { serverUrl: this.url, resourceMetadataUrl, scope };
    if (await auth(this.provider, login) !== 'REDIRECT') return;
    const redirect = await sign_in(this.provider, this.person);
    await auth(this.provider, { ...login, authorizationCode: redirect.get('code'), iss: redirect.get('iss') ?? undefined });
  }

  #send(method, path) {
    const token = this.provider.memory.tokens?.access_token;
    return fetch(new URL(path, this.url), { method, headers: token ? { authorization: `Bearer ${token}` } : {} });
  }
}
