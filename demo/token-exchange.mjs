// RFC 8693 token exchange, for the gateway alone: the subject stays, the audience changes, the scope
// gets no wider, the new token outlives neither two minutes nor the old one, `act` says who acts.
import { randomBytes } from 'node:crypto';
import { importJWK, jwtVerify, SignJWT } from 'jose';
import { errors } from 'oidc-provider';

export const EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const PARAMETERS = ['subject_token', 'subject_token_type', 'audience', 'scope', 'requested_token_type', 'actor_token', 'actor_token_type', 'resource'];
const LIFE_SECONDS = 120;

const words = (list) => (list ?? '').split(' ').filter(Boolean);

/**
 * `key` is the server's private JWK; `resources` the audiences a subject token may have; `audiences`
 * maps each backend to its scopes; a subject that `people` no longer knows has no valid token.
 */
export async function register_token_exchange(provider, { issuer, key, resources, audiences, people }) {
  const signing_key = await importJWK(key, 'ES256');
  const { d: _, ...public_key } = key;
  const verification_key = await importJWK(public_key, 'ES256');

  const verify_subject = async (token) => {
    const expected = { issuer, audience: [...resources], typ: 'at+jwt', algorithms: ['ES256'] };
    const claims = await jwtVerify(token ?? '', verification_key, expected).then(({ payload }) => payload, () => undefined);
    if (!claims || !Object.hasOwn(people, claims.sub)) throw new errors.InvalidRequest('subject_token is not valid');
    return claims;
  };

  provider.registerGrantType(EXCHANGE_GRANT, async (ctx) => {
    const { client, params } = ctx.oidc;
    if (params.subject_token_type !== ACCESS_TOKEN) throw new errors.InvalidRequest('unsupported subject_token_type');
    if (params.actor_token || params.resource) throw new errors.InvalidRequest('actor_token and resource are not supported');
    if ((params.requested_token_type ?? ACCESS_TOKEN) !== ACCESS_TOKEN) throw new errors.InvalidRequest('unsupported requested_token_type');
    if (!Object.hasOwn(audiences, params.audience ?? '')) throw new errors.InvalidTarget('unknown audience');

    const subject = await verify_subject(params.subject_token);
    const held = new Set(words(subject.scope));
    const offered = audiences[params.audience].filter((scope) => held.has(scope));
    const asked = params.scope ? words(params.scope) : offered;
    if (asked.some((scope) => !offered.includes(scope))) throw new errors.InvalidScope('wider than the subject token', params.scope);

    const now = Math.floor(Date.now() / 1000);
    const exp = Math.min(now + LIFE_SECONDS, subject.exp);
    const scope = asked.join(' ');
    const access_token = await new SignJWT({
      iss: issuer, sub: subject.sub, aud: params.audience, client_id: client.clientId, scope, groups: subject.groups,
      act: { sub: client.clientId, act: { sub: subject.client_id, ...(subject.act && { act: subject.act }) } },
      iat: now, exp, jti: randomBytes(12).toString('base64url'),
    }).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: key.kid }).sign(signing_key);
    ctx.body = { access_token, issued_token_type: ACCESS_TOKEN, token_type: 'Bearer', expires_in: exp - now, scope };
  }, PARAMETERS);
}
