// Bearer JWT (RS256) and an allow-list of MCP tools with njs 0.7, which keeps nothing between requests.
const ISSUER = '@issuer@', AUDIENCE = '@audience@';
const METHODS = ['tools/list', 'ping', 'initialize', 'notifications/initialized'];
const TOOLS = ['ticket.read', 'ticket.list'];
const SPKI = '@spki@';

async function is_good(token) {
    const parts = token.split('.');
    if (parts.length !== 3) {
        return false;
    }
    const head = JSON.parse(Buffer.from(parts[0], 'base64url').toString());
    const claims = JSON.parse(Buffer.from(parts[1], 'base64url').toString());
    const now = Date.now() / 1000;
    if (head.alg !== 'RS256' || claims.iss !== ISSUER || claims.aud !== AUDIENCE
        || !(claims.exp > now) || (claims.nbf !== undefined && !(claims.nbf <= now))) {
        return false;
    }
    const how = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
    const key = await crypto.subtle.importKey('spki', Buffer.from(SPKI, 'base64'), how, false, ['verify']);
    return crypto.subtle.verify(how, key, Buffer.from(parts[2], 'base64url'), Buffer.from(parts[0] + '.' + parts[1]));
}

function status_of(body) {
    const message = JSON.parse(body);
    if (message.method === 'tools/call') {
        return TOOLS.includes(message.params.name) ? 0 : 403;
    }
    return METHODS.includes(message.method) ? 0 : 403;
}

async function judge(r) {
    try {
        const bearer = r.headersIn.Authorization || '';
        if (!bearer.startsWith('Bearer ') || !await is_good(bearer.slice(7))) {
            r.return(401);
            return;
        }
    } catch (e) {
        r.return(401);
        return;
    }
    let refused;
    try {
        refused = status_of(r.requestText);
    } catch (e) {
        refused = 400;
    }
    if (refused) {
        r.return(refused);
        return;
    }
    r.internalRedirect('@named@');
}

export default { judge };
