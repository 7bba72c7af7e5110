// What makes the tickets backend private: it accepts only tokens for itself, signed by the
// authorization server. The token an agent holds is for the gateway, and opens nothing here.
import { createRemoteJWKSet, jwtVerify } from 'jose';

export const AUDIENCE = 'tickets-api';

export class Refused extends Error {
  constructor(status, code, message) { super(message); Object.assign(this, { status, code }); }
}

/** Returns `authenticate(req)`, which resolves to the caller or throws `Refused`. */
export function token_check(issuer) {
  const keys = createRemoteJWKSet(new URL('/jwks', issuer));
  const expected = { issuer, audience: AUDIENCE, typ: 'at+jwt', algorithms: ['ES256'], requiredClaims: ['sub', 'exp', 'scope'] };

  return async (req) => {
    const token = /^Bearer ([\w.~+/-]+=*)$/i.exec(req.headers.authorization ?? '')?.[1];
    if (!token) throw new Refused(401, 'invalid_token', 'a bearer token is needed');
    let claims;
    try {
      ({ payload: claims } = await jwtVerify(token, keys, expected));
    } catch (error) {
      throw new Refused(401, 'invalid_token', error.code ?? 'not valid');
    }
    return { token, user: claims.sub, agent: claims.act?.act?.sub, audience: claims.aud, scope: claims.scope, scopes: claims.scope.split(' '), expires: claims.exp };
  };
}

/** What an answer says of its caller, so that a reader sees what the exchange made of the agent's token. */
export const describe = ({ user, agent, audience, scope }) => ({ user, agent, audience, scope });

export function refuse(res, error) {
  const { status, code, message } = error instanceof Refused ? error : new Refused(500, 'server_error', 'internal error');
  const challenge = [401, 403].includes(status) && { 'www-authenticate': `Bearer error="${code}", error_description="${message}"` };
  res.writeHead(status, { 'content-type': 'application/json', ...challenge }).end(JSON.stringify({ error: code, error_description: message }));
}
