// An agent that knows nothing but URLs: the official SDK's client, with a headless person beside it.
// Every method that calls the gateway returns an Answer:
//   { status, request_id, reason, message, result }   reason and message only of a refusal
import { auth, Client, extractWWWAuthenticateParams, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { oauth_memory, sign_in } from './oauth-memory.mjs';

const json = (text) => { try { return JSON.parse(text); } catch { return undefined; } };

/** What a response says, read from a copy so that the SDK can read it too. */
const observe = async (response) => {
  const refusal = response.ok ? undefined : json(await response.clone().text());
  return {
    status: response.status,
    request_id: response.headers.get('x-request-id'),
    reason: refusal?.error?.data?.reason ?? refusal?.reason ?? extractWWWAuthenticateParams(response).error,
    message: refusal?.error?.message ?? refusal?.detail,
  };
};

export class Agent {
  #last;

  /** `client_id` for an agent that an administrator registered; `era` legacy, auto, or a version. */
  constructor({ url, person, name, client_id, client_name, era = 'auto', on = () => {} }) {
    Object.assign(this, { url: new URL(url), person, name, era, on });
    this.provider = oauth_memory({ client_id, client_name, on });
  }

  get protocol_version() { return this.client.getNegotiatedProtocolVersion(); }

  /** Discovers, registers and signs in as far as the server asks for it. */
  async connect() {
    const attempt = async () => {
      const versionNegotiation = { mode: /^\d/.test(this.era) ? { pin: this.era } : this.era };
      this.client = new Client({ name: 'agent-gateway-demo', version: '1.0.0' }, { versionNegotiation });
      this.transport = new StreamableHTTPClientTransport(this.url, { authProvider: this.provider, fetch: (url, init) => this.#fetch(url, init) });
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

  async call(tool, args) {
    this.#last = undefined;
    try {
      const result = await this.client.callTool({ name: tool, arguments: args });
      return { ...this.#last, result: json(result.content?.[0]?.text) ?? result };
    } catch (error) {
      if (!this.#last) throw error;
      return { ...this.#last, reason: error.data?.reason ?? this.#last.reason, message: this.#last.message ?? error.message };
    }
  }

  /** The same agent and user at a REST API behind the same gateway, found the same way. */
  rest(url) { return new RestAgent(url, this); }

  close() { return this.client?.close(); }

  async #fetch(url, init) {
    const response = await fetch(url, init);
    if (String(url) === this.url.href && json(init?.body)?.method === 'tools/call') this.#last = await observe(response);
    return response;
  }
}

class RestAgent {
  constructor(url, { provider, person, on }) {
    Object.assign(this, { url, person });
    this.provider = oauth_memory({ on });
    this.provider.memory.client = provider.memory.client;
  }

  /** Calls once; signs in for this resource and calls again where the answer is 401. */
  async call(method, path) {
    let response = await this.#send(method, path);
    if (response.status === 401) {
      const { resourceMetadataUrl, scope } = extractWWWAuthenticateParams(response);
      const login = { serverUrl: this.url, resourceMetadataUrl, scope };
      if (await auth(this.provider, login) === 'REDIRECT') {
        const answer = await sign_in(this.provider, this.person);
        await auth(this.provider, { ...login, authorizationCode: answer.get('code'), iss: answer.get('iss') ?? undefined });
      }
      response = await this.#send(method, path);
    }
    const observed = await observe(response);
    return response.ok ? { ...observed, result: await response.json() } : observed;
  }

  #send(method, path) {
    const token = this.provider.memory.tokens?.access_token;
    return fetch(new URL(path, this.url), { method, headers: token ? { authorization: `Bearer ${token}` } : {} });
  }
}
