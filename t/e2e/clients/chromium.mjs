// One page in a headless Chromium, driven over its debugging protocol: what a person reads, clicks and types.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PATIENCE = 30_000; // ms for whatever is waited for

export class Page {
  #chrome; #profile; #socket; #last = 0; #waiting = new Map();

  static async open(url) {
    const page = new Page();
    page.#profile = mkdtempSync(join(tmpdir(), 'chromium-'));
    const options = ['--remote-debugging-port=0', '--no-sandbox', `--user-data-dir=${page.#profile}`, 'about:blank'];
    page.#chrome = spawn('chromium-headless-shell', options, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    const address = await new Promise((resolve, reject) => {
      let said = '';
      page.#chrome.on('exit', () => reject(new Error(said)));
      page.#chrome.stderr.on('data', (data) => {
        said += data;
        const found = said.match(/listening on ws:\/\/(\S+?)\//);
        if (found) resolve(found[1]);
      });
    });
    const target = (await (await fetch(`http://${address}/json/list`)).json()).find((one) => one.type === 'page');
    page.#socket = new WebSocket(target.webSocketDebuggerUrl);
    page.#socket.addEventListener('message', ({ data }) => {
      const message = JSON.parse(data);
      page.#waiting.get(message.id)?.(message);
      page.#waiting.delete(message.id);
    });
    await new Promise((resolve) => page.#socket.addEventListener('open', resolve));
    await page.#send('Page.navigate', { url });
    return page;
  }

  async close() {
    // Debian's program is a script that starts the browser, which starts others: all of them hold the pipe.
    const gone = new Promise((resolve) => this.#chrome.on('close', resolve));
    process.kill(-this.#chrome.pid, 'SIGKILL');
    await gone;
    this.#socket.close();
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  #send(method, params) {
    return new Promise((resolve) => {
      this.#waiting.set(++this.#last, resolve);
      this.#socket.send(JSON.stringify({ id: this.#last, method, params }));
    });
  }

  /** What a function makes of the page; undefined while there is none, between two pages. */
  async run(task, ...given) {
    const expression = `(${task})(...${JSON.stringify(given)})`;
    const { result } = await this.#send('Runtime.evaluate', { expression, returnByValue: true });
    return result?.exceptionDetails ? undefined : result?.result?.value;
  }

  async text() {
    return (await this.run(() => document.body.innerText)) ?? '';
  }

  async until(what, check) {
    const end = Date.now() + PATIENCE;
    for (;;) {
      const found = await check();
      if (found) return found;
      if (Date.now() > end) throw new Error(`never: ${what}, at ${await this.run(() => location.href)}: ${await this.text()}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  read(words) {
    return this.until(words, async () => (await this.text()).match(words));
  }

  /** The last one with this text: what lies on top. */
  click(label) {
    return this.until(`to click ${label}`, () => this.run((wanted) => {
      const has_it = (one) => one.offsetParent && one.innerText.trim() === wanted;
      const found = [...document.querySelectorAll('button,label')].filter(has_it).pop();
      found?.click();
      return found !== undefined;
    }, label));
  }

  type(label, text) {
    return this.until(`to type into ${label}`, () => this.run((wanted, value) => {
      const named = (one) => one.innerText.replace('*', '').trim() === wanted;
      const field = [...document.querySelectorAll('label')].filter((one) => one.offsetParent && named(one)).pop()?.control;
      if (!field) return false;
      // As React hears of it.
      Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(field, value);
      field.dispatchEvent(new Event('input', { bubbles: true }));
      return true;
    }, label, text));
  }
}
