// A person at a browser, without the browser: follows redirects, keeps cookies, fills the sign-in and
// consent forms, and stops where the client's redirect URI begins. Understands the pages of the
// demonstration's authorization server and of Keycloak.
const MAX_STEPS = 15;

const decode_html = (text) => text.replace(/&#x([0-9a-f]+);/gi, (_, hex) => String.fromCodePoint(parseInt(hex, 16)))
  .replace(/&#(\d+);/g, (_, digits) => String.fromCodePoint(Number(digits)))
  .replace(/&quot;/g, '"').replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&amp;/g, '&');

const attribute = (tag, name) => {
  const match = new RegExp(`\\b${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s"'>]+))`, 'i').exec(tag);
  return match ? decode_html(match[1] ?? match[2] ?? match[3]) : undefined;
};

const visible_text = (html) => html.replace(/<(style|script)[\s\S]*?<\/\1>|<[^>]+>/g, ' ').replace(/\s+/g, ' ').trim().slice(0, 300);

/** The first form of a page: where it goes and the fields it has, with the values they start with. */
const first_form = (html, page_url) => {
  const form = /<form\b([^>]*)>([\s\S]*?)<\/form>/i.exec(html);
  if (!form) return undefined;
  const fields = new Map();
  for (const [tag] of form[2].matchAll(/<(?:input|button)\b[^>]*>/gi)) {
    const name = attribute(tag, 'name');
    if (name && !fields.has(name)) fields.set(name, attribute(tag, 'value') ?? '');
  }
  return { action: new URL(attribute(form[1], 'action') || page_url, page_url).href, fields };
};

export class Person {
  #cookies = new Map();

  /** `consent: 'no'` refuses what the client asks for. */
  constructor(user, { password = user, consent = 'yes' } = {}) { Object.assign(this, { user, password, consent }); }

  /** Opens the authorization page; resolves to the query parameters that the client gets back. */
  async authorize(authorization_url, redirect_uri) {
    let url = String(authorization_url);
    let response = await this.#open(url);
    for (let step = 0; step < MAX_STEPS; step++) {
      if (response.status >= 300 && response.status < 400) {
        url = new URL(response.headers.get('location'), url).href;
        if (url.startsWith(String(redirect_uri))) return new URL(url).searchParams;
        response = await this.#open(url);
        continue;
      }
      const html = await response.text();
      const form = response.ok ? first_form(html, url) : undefined;
      if (!form) throw new Error(`${this.user} stands before a page without a way on (HTTP ${response.status}): ${visible_text(html)}`);
      url = form.action;
      response = await this.#open(url, { method: 'POST', body: this.#fill(form.fields) });
    }
    throw new Error(`${this.user} was sent through more than ${MAX_STEPS} pages`);
  }

  #fill(fields) {
    const filled = new URLSearchParams();
    const refuses = this.consent !== 'yes';
    for (const [name, value] of fields) {
      if (name === 'user' || name === 'username') filled.set(name, this.user);
      else if (name === 'password') filled.set(name, this.password);
      else if (name === 'allow') filled.set(name, refuses ? 'no' : 'yes');
      else if (name === 'accept' && refuses) filled.set('cancel', 'No');
      else if (name !== 'cancel' || refuses) filled.set(name, value);
    }
    return filled;
  }

  async #open(url, init = {}) {
    const { host, pathname } = new URL(url);
    const sent = [...this.#cookies.values()].filter((cookie) => cookie.host === host && pathname.startsWith(cookie.path));
    const cookie = sent.map(({ name, value }) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { ...init, redirect: 'manual', headers: cookie ? { cookie } : {} });
    for (const line of response.headers.getSetCookie()) this.#keep(line, host);
    return response;
  }

  #keep(line, host) {
    const [pair, ...attributes] = line.split(/;\s*/);
    const name = pair.slice(0, pair.indexOf('='));
    const value = pair.slice(pair.indexOf('=') + 1);
    const path = attributes.find((part) => /^path=/i.test(part))?.slice(5) || '/';
    const key = `${host} ${path} ${name}`;
    if (value === '' || attributes.some((part) => /^max-age=0$/i.test(part))) this.#cookies.delete(key);
    else this.#cookies.set(key, { name, value, host, path });
  }
}
