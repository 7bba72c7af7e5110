// What a response of the gateway says of a call: { status, request_id, reason, message }, the last two
// only of a refusal.
import { extractWWWAuthenticateParams } from '@modelcontextprotocol/client';

export const json = (text) => { try { return JSON.parse(text); } catch { return undefined; } };

/** Reads a copy, so that whoever called can read the response too. */
export async function answer_of(response) {
  const refusal = response.ok ? undefined : json(await response.clone().text());
  return {
    status: response.status,
    request_id: response.headers.get('x-request-id'),
    reason: refusal?.error?.data?.reason ?? refusal?.reason ?? extractWWWAuthenticateParams(response).error,
    message: refusal?.error?.message ?? refusal?.detail,
  };
}

/** A `fetch` for a transport of the SDK, and beside it what the last tools/call was answered. */
export class ObservingFetch {
  constructor(url) { this.url = new URL(url).href; this.last = undefined; }

  fetch = async (url, init) => {
    const response = await fetch(url, init);
    if (String(url) === this.url && json(init?.body)?.method === 'tools/call') this.last = await answer_of(response);
    return response;
  };

  /** Runs one call and returns its answer with `result`, or with what the SDK's error adds. */
  async call(make_call) {
    this.last = undefined;
    try {
      const result = await make_call();
      return { ...this.last, result: json(result.content?.[0]?.text) ?? result };
    } catch (error) {
      if (!this.last) throw error;
      return { ...this.last, code: error.code, reason: error.data?.reason ?? this.last.reason, message: this.last.message ?? error.message, error };
    }
  }
}
