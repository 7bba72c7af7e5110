// Another implementation's DPoP client (oauth4webapi): makes a key, says its thumbprint, reads a token for it, and calls.
//   node call.mjs ALGORITHM URL     then one line on standard input: the token
import { createInterface } from 'node:readline';
import { createHash } from 'node:crypto';
import * as oauth from 'oauth4webapi';

const [algorithm, url] = process.argv.slice(2);
const pair = await oauth.generateKeyPair(algorithm, { extractable: true });
const jwk = await crypto.subtle.exportKey('jwk', pair.publicKey);
const members = Object.fromEntries(['crv', 'e', 'kty', 'n', 'x', 'y'].filter((name) => name in jwk).map((name) => [name, jwk[name]]));
console.log(createHash('sha256').update(JSON.stringify(members)).digest('base64url'));

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const token = (await lines.next()).value;
const DPoP = oauth.DPoP({ client_id: 'docs-assistant' }, pair);
const headers = () => new Headers({ 'content-type': 'application/json', accept: 'application/json, text/event-stream' });
const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'ticket.read', arguments: { id: 'T-1' } } });
const call = () => oauth.protectedResourceRequest(token, 'POST', new URL(url), headers(), body,
  { DPoP, [oauth.allowInsecureRequests]: true });

const found = [];
for (let i = 0; i < 3; i += 1) {
  let answer;
  try {
    answer = await call();
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    found.push('nonce');
    answer = await call();
  }
  found.push(answer.status);
  await answer.text();
}
console.log(JSON.stringify(found));
process.exit(0);
