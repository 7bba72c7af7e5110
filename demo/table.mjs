// How the demonstration looks in a terminal.
const colours = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code) => (text) => colours ? `\x1b[${code}m${text}\x1b[0m` : text;
const [bold, dim, red, green] = [1, 2, 31, 32].map(paint);

// What comes from outside may carry control characters; a terminal must not obey them.
const plain = (text) => String(text ?? '').replace(/[\x00-\x1f\x7f-\x9f]/g, '?');

const WIDTHS = { what: 22, who: 24, does: 30, status: 6, decision: 9 };
const columns = (row) => Object.entries(WIDTHS).map(([name, width]) => plain(row[name]).padEnd(width)).join(' ');
const decision_colour = (decision) => decision === 'allow' ? green : red;

const steps = {
  registered: ({ client_id }) => `registered itself as ${client_id}`,
  authorize: ({ scope, resource }) => `sends a person to sign in and allow ${scope} at ${resource}`,
  tokens: ({ scope }) => `has a token with ${scope}`,
  connected: ({ version, tools }) => `connected over MCP ${version}; the server lists ${tools.join(', ')}`,
};

let held_back; // steps of a row, until the row itself is printed

/** How an agent got there: registration, sign-in, token, connection. */
export function print_step(who, event, facts) {
  const sentence = dim(plain(steps[event](facts)));
  if (held_back) held_back.push(`      ${dim('→')} ${sentence}`);
  else console.log(`  ${plain(who).padEnd(15)} ${sentence}`);
}

export function print_heading() {
  held_back = [];
  console.log(`\n    ${bold(columns({ what: 'case', who: 'who', does: 'call', status: 'HTTP', decision: 'decision' }))} ${bold('reason')}`);
}

export function print_row(row, answer, event, wrong) {
  const { decision = '–', reason = answer.reason ?? '–' } = event ?? {};
  const cells = columns({ ...row, status: answer.status, decision });
  const mark = wrong.length === 0 ? green('✓') : red('✗');
  console.log(`  ${mark} ${cells} ${decision_colour(decision)(plain(reason))}`);
  for (const step of held_back.splice(0)) console.log(step);
  const sentence = event?.text ?? row.remark;
  if (sentence) console.log(`      ${dim(plain(sentence))}`);
  for (const problem of wrong) console.log(`      ${red(plain(problem))}`);
}

export function print_summary(total, failed) {
  console.log(failed === 0 ? `\n  ${green(`all ${total} calls came out as they should`)}` : `\n  ${red(`${failed} of ${total} calls did not come out as they should`)}`);
}

export function print_event({ time, decision, reason, outcome, text }) {
  const at = plain(time).slice(11, 19);
  console.log(`${dim(at)} ${decision_colour(decision)(plain(decision).padEnd(8))} ${plain(decision === 'allow' ? outcome : reason).padEnd(24)} ${plain(text)}`);
}
