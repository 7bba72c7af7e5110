// The two pages a person sees: sign in, and consent to what the client asks for.
const MAX_FORM_BYTES = 4096;
const STYLE = 'body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:12vh auto;padding:0 1rem}'
  + 'input,button{font:inherit;padding:.4rem .6rem;margin:.2rem 0}input{display:block;width:100%;box-sizing:border-box}'
  + 'code{background:#8882;padding:0 .2rem}';

const escape_html = (text) => String(text ?? '').replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const page = (title, body) => `<!doctype html><html lang=en><meta charset=utf-8><title>${title}</title><style>${STYLE}</style><h1>${title}</h1>${body}`;

const sign_in_form = (note) => `${note}<form method=post>
<label>User<input name=user autocomplete=username autofocus required></label>
<label>Password<input name=password type=password autocomplete=current-password required></label>
<button>Sign in</button></form>`;

const consent_form = (client, { account, scope, resource, redirect_uri }) => `
<p><b>${escape_html(client.clientName ?? client.clientId)}</b> asks to act for <b>${escape_html(account)}</b>
at <code>${escape_html(resource)}</code> with <code>${escape_html(scope)}</code>.
<p>The answer goes to <code>${escape_html(new URL(redirect_uri).host || redirect_uri)}</code>.
<form method=post><button name=allow value=yes>Allow</button> <button name=allow value=no>Refuse</button></form>`;

const read_form = async (req) => {
  let body = '';
  for await (const chunk of req) {
    body += chunk;
    if (body.length > MAX_FORM_BYTES) throw Object.assign(new Error('the form is too large'), { statusCode: 413 });
  }
  return new URLSearchParams(body);
};

/** Returns the request handler for `/interaction/<uid>`. */
export function sign_in_pages(provider, people) {
  const send = (res, status, title, body) => res.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  }).end(page(title, body));

  const finish = (req, res, result, keep) => provider.interactionFinished(req, res, result, { mergeWithLastSubmission: keep });

  const is_password_right = (user, password) => Object.hasOwn(people, user ?? '') && people[user].password === password;

  const grant_what_is_missing = async ({ prompt, params, session, grantId }) => {
    const grant = grantId ? await provider.Grant.find(grantId) : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = prompt.details;
    if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
    if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims);
    for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) grant.addResourceScope(resource, scopes.join(' '));
    return grant.save();
  };

  const show = async (res, { prompt, params, session }) => {
    if (prompt.name === 'login') return send(res, 200, 'Sign in', sign_in_form(''));
    const client = await provider.Client.find(params.client_id);
    return send(res, 200, 'Allow?', consent_form(client, { ...params, account: session.accountId }));
  };

  const submit = async (req, res, interaction) => {
    const form = await read_form(req);
    if (interaction.prompt.name === 'login') {
      const user = form.get('user');
      if (!is_password_right(user, form.get('password'))) return send(res, 401, 'Sign in', sign_in_form('<p>Wrong user or password.'));
      return finish(req, res, { login: { accountId: user } }, false);
    }
    if (form.get('allow') !== 'yes') return finish(req, res, { error: 'access_denied', error_description: 'refused by the user' }, false);
    return finish(req, res, { consent: { grantId: await grant_what_is_missing(interaction) } }, true);
  };

  return async (req, res) => {
    try {
      const interaction = await provider.interactionDetails(req, res);
      // The cookie names one interaction, the path another: two tabs. Answer for neither.
      if (req.url !== `/interaction/${interaction.uid}`) throw Object.assign(new Error('another sign-in is open'), { statusCode: 400 });
      await (req.method === 'POST' ? submit(req, res, interaction) : show(res, interaction));
    } catch (error) {
      send(res, error.statusCode ?? 500, 'This sign-in is over', `<p>${escape_html(error.message)}`);
    }
  };
}
