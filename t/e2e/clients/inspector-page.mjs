// The MCP Inspector's own page, as a person uses it: connects, signs in on the authorization server's pages, lists tools, calls
// them, answers what a server asks, and signs in once more where a call needs more scope. One JSON object of what every step
// showed. inspector-page.mjs --page URL --user USER --password PASSWORD
import { parseArgs } from 'node:util';
import { Page } from './chromium.mjs';

const options = { page: { type: 'string' }, user: { type: 'string' }, password: { type: 'string' } };
const { values: given } = parseArgs({ options });
const page = await Page.open(given.page);
const told = {};

async function sign_in(known) {
  if (!known) {
    await page.type('User', given.user);
    await page.type('Password', given.password);
    await page.click('Sign in');
  }
  told.consents = [...(told.consents ?? []), (await page.read(/asks to act for .* with (.*)\./))[1]];
  await page.click('Allow');
}

async function call(tool, fields, answer) {
  await page.click(tool);
  for (const [name, value] of Object.entries(fields)) await page.type(name, value);
  await page.click('Execute Tool');
  return answer === undefined ? undefined : (await page.read(answer))[0];
}

try {
  // The page takes a moment until it hears of a click.
  await page.until('to be sent to sign in', () => page.run(() => {
    const now = Date.now();
    if (document.body.innerText.includes('Disconnected') && now - (window.clicked ?? 0) > 2000) {
      window.clicked = now;
      document.querySelector('input[type=checkbox]')?.click();
    }
    return document.querySelector('input[type=password]') !== null;
  }));
  await sign_in(false);
  told.version = (await page.read(/Connected[^]*MCP ([\d-]+)/))[1];
  await page.click('Tools');
  told.tools = Number((await page.read(/Tools \((\d+)\)/))[1]);
  told.call = await call('test_simple_text', {}, /This is a simple text response for testing\./);
  await call('test_elicitation', { message: 'Who are you?' });
  await page.type('username', 'mira');
  await page.type('email', 'mira@company.example');
  await page.click('Submit');
  told.elicited = (await page.read(/User response: action=.*/))[0];
  await call('greet', { name: 'Mira' });
  told.step_up = (await page.read(/needs additional scope: (\S+)\./))[1];
  await page.click('Authorize');
  await sign_in(true);
  await page.read(/Connected|Tools \(/);
  await page.click('Tools');
  told.greeted = await call('greet', { name: 'Mira' }, /Hello, Mira!/);
  console.log(JSON.stringify(told));
} finally {
  await page.close();
}
