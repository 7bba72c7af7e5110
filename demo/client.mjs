// The demonstration's client. Its agents know a URL: everything else they are told by the gateway.
// Signs in, makes the calls of calls.mjs and prints for each the status, the reason and the audit
// sentence. Exits with 0 only if every call came out as it should.
//   node client.mjs MCP_URL REST_URL BACKEND_URL AUDIT_LOG POLICY_FILE
// The last three are the demonstrator's: to go around the gateway, to read and to change what it does.
import { Agent } from './agent.mjs';
import { event_of } from './audit-log.mjs';
import { calls } from './calls.mjs';
import { oauth_memory } from './oauth-memory.mjs';
import { Person } from './person.mjs';
import { print_row, print_heading, print_step, print_summary } from './table.mjs';

const [mcp_url, rest_url, backend_url, audit_log, policy_file] = process.argv.slice(2);
if (!policy_file) { console.error('usage: client.mjs MCP_URL REST_URL BACKEND_URL AUDIT_LOG POLICY_FILE'); process.exit(2); }

/** What is wrong with the outcome of a call; an empty list if nothing is. */
const judge = ({ expect, check }, answer, event) => {
  const wrong = [];
  const compare = (what, is, should) => { if (is !== should) wrong.push(`${what} is ${is}, not ${should}`); };
  compare('status', answer.status, expect.status);
  compare('decision', event?.decision, expect.decision);
  compare('reason', event?.reason, expect.reason);
  if (event) {
    compare('enforced', event.enforced, true);
    compare('outcome', event.outcome, event.decision === 'allow' ? 'ok' : 'refused');
    if (event.decision !== 'allow') compare('reason told to the agent', answer.reason, event.reason);
    if (!event.text) wrong.push('the event has no sentence');
  } else if (expect.decision) {
    wrong.push(`the audit log has no event ${answer.request_id}`);
  }
  const objection = check?.(answer);
  return objection ? [...wrong, objection] : wrong;
};

const agent_for = (user, name, { era, ...client }) => new Agent({
  url: mcp_url, name, era, person: new Person(user),
  provider: oauth_memory({ ...client, on: (event, facts) => print_step(name, event, facts) }),
});

const agents = {
  visitor: agent_for('mira', 'visitor', { client_name: 'A visitor' }),
  guest: agent_for('omar', 'guest', { client_name: 'A guest', era: 'legacy' }),
  assistant: agent_for('mira', 'docs-assistant', { client_id: 'docs-assistant' }),
};

let failed = 0;
try {
  for (const agent of Object.values(agents)) {
    await agent.connect();
    print_step(agent.name, 'connected', { version: agent.protocol_version, tools: await agent.tools() });
  }
  const rest = { visitor: agents.visitor.rest(rest_url), guest: agents.guest.rest(rest_url) };
  const around = agents.visitor.with_its_token(backend_url);

  print_heading();
  const table = calls({ agents, rest, around, policy_file });
  for (const row of table) {
    const answer = await row.run();
    const event = answer.request_id ? await event_of(audit_log, answer.request_id) : undefined;
    const wrong = judge(row, answer, event);
    print_row(row, answer, event, wrong);
    if (wrong.length > 0) failed++;
  }
  print_summary(table.length, failed);
} catch (error) {
  console.error(`the client gave up: ${error.message}`);
  if (error.cause) console.error(`  because: ${error.cause.message ?? error.cause}`);
  failed++;
} finally {
  await Promise.allSettled(Object.values(agents).map((agent) => agent.close()));
}
process.exit(failed === 0 ? 0 : 1);
