// The calls of the demonstration, each with the answer it must get: for every refusal the call
// beside it that is allowed. Order matters where one call prepares the next.
import { readFile, rename, writeFile } from 'node:fs/promises';

const BACKEND = 'tickets-api';

/** Replaces the file in one step, as an editor does: no reader ever sees half a policy. */
const edit_policy = async (file, change) => {
  const policy = JSON.parse(await readFile(file, 'utf8'));
  change(policy.tenants.default);
  const next = `${file}.${process.pid}`;
  await writeFile(next, `${JSON.stringify(policy, null, 2)}\n`, { mode: 0o644 });
  await rename(next, file);
};

/**
 * The backend's answer must name the user, and show that the token which reached it was made for the
 * backend, with the one scope that the operation needs.
 */
const reached_as = (user, scope) => ({ result }) => {
  const { caller } = result ?? {};
  if (!caller) return 'the backend did not say who called it';
  if (caller.user !== user || caller.audience !== BACKEND || caller.scope !== scope)
    return `the backend was called as ${JSON.stringify(caller)}, not as ${user} at ${BACKEND} with ${scope}`;
  return undefined;
};

/**
 * agents       visitor (for mira), guest (for omar), assistant (for mira)
 * rest         the visitor's and the guest's REST side
 * around       sends the visitor's token straight to the backend
 * `expect` without a decision: the gateway is not asked.
 */
export function calls({ agents: { visitor, guest, assistant }, rest, around, policy_file }) {
  const allow = { status: 200, decision: 'allow', reason: 'allowed' };
  const deny = (status, reason) => ({ status, decision: 'deny', reason });
  const read = { tool: 'ticket.read', id: 'T-391' };
  const close = { tool: 'ticket.close', id: 'T-391' };
  const over_mcp = (agent, { tool, id }) => () => agent.call(tool, { id });
  let revoked;

  return [
    {
      what: 'allowed', who: 'a visitor for mira', does: 'ticket.read T-391',
      run: over_mcp(visitor, read), expect: allow, check: reached_as('mira', 'tickets:read'),
    },
    {
      what: 'the user may not', who: 'a visitor for omar', does: 'ticket.read T-391',
      run: over_mcp(guest, read), expect: deny(200, 'user_entitlement_missing'),
    },
    {
      what: 'the agent may not', who: 'a visitor for mira', does: 'ticket.close T-391',
      run: over_mcp(visitor, close), expect: deny(200, 'tier_ceiling'),
    },
    {
      what: 'scope missing', who: 'docs-assistant for mira', does: 'ticket.close T-391',
      run: over_mcp(assistant, close), expect: deny(403, 'scope_missing'),
    },
    {
      what: '  … after the step-up', who: 'docs-assistant for mira', does: 'ticket.close T-391',
      run: async () => { await assistant.finish_sign_in(); return assistant.call(close.tool, { id: close.id }); },
      expect: allow, check: reached_as('mira', 'tickets:write'),
    },
    {
      what: 'unknown tool', who: 'docs-assistant for mira', does: 'ticket.shred T-391',
      run: over_mcp(assistant, { tool: 'ticket.shred', id: 'T-391' }), expect: deny(200, 'operation_unknown'),
    },
    {
      what: 'a grant …', who: 'docs-assistant for mira', does: 'ticket.read T-412',
      run: over_mcp(assistant, { tool: 'ticket.read', id: 'T-412' }), expect: allow, check: reached_as('mira', 'tickets:read'),
    },
    {
      what: '  … revoked', who: 'docs-assistant for mira', does: 'ticket.read T-412',
      run: async () => {
        await edit_policy(policy_file, (tenant) => {
          revoked = tenant.grants.find(({ id }) => id === 'docs-tickets-read');
          tenant.grants = tenant.grants.filter((grant) => grant !== revoked);
        });
        return assistant.call('ticket.read', { id: 'T-412' });
      },
      expect: deny(200, 'agent_grant_missing'),
    },
    {
      what: '  … and given back', who: 'docs-assistant for mira', does: 'ticket.read T-412',
      run: async () => {
        await edit_policy(policy_file, (tenant) => tenant.grants.push(revoked));
        return assistant.call('ticket.read', { id: 'T-412' });
      },
      expect: allow, check: reached_as('mira', 'tickets:read'),
    },
    {
      what: 'the same over REST', who: 'a visitor for mira', does: 'GET /api/tickets/T-391',
      run: () => rest.visitor.call('GET', '/api/tickets/T-391'), expect: allow, check: reached_as('mira', 'tickets:read'),
    },
    {
      what: '  … the user may not', who: 'a visitor for omar', does: 'GET /api/tickets/T-391',
      run: () => rest.guest.call('GET', '/api/tickets/T-391'), expect: deny(403, 'user_entitlement_missing'),
    },
    {
      what: '  … the agent may not', who: 'a visitor for mira', does: 'POST /api/tickets/T-391/close',
      run: () => rest.visitor.call('POST', '/api/tickets/T-391/close'), expect: deny(403, 'tier_ceiling'),
    },
    {
      what: 'around the gateway', who: 'a visitor for mira', does: 'GET /api/tickets/T-391',
      run: () => around('/api/tickets/T-391'), expect: { status: 401 },
      remark: 'the private backend takes no token but those that the gateway exchanges for',
    },
  ];
}
