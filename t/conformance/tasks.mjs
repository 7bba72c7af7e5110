// The extension io.modelcontextprotocol/tasks (SEP-2663) of 2026-07-28: tools that go on after their call was answered.
import { randomUUID } from 'node:crypto';
import { MissingRequiredClientCapabilityError, ProtocolError } from '@modelcontextprotocol/server';
import { z } from 'zod';

export const EXTENSION = 'io.modelcontextprotocol/tasks';
const TTL_MS = 300_000;
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';

const tasks = new Map();
const terminal = new Set(['completed', 'failed', 'cancelled']);

export const declared = (ctx) => ctx.mcpReq.envelope?.[CAPABILITIES] ?? {};
const negotiated = (ctx) => declared(ctx).extensions?.[EXTENSION] !== undefined;

const demand = (ctx) => {
  if (!negotiated(ctx)) throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { extensions: { [EXTENSION]: {} } } });
};

/** What a task's work is given: to wait, and to ask. */
class Task {
  constructor() {
    const now = new Date().toISOString();
    this.state = { taskId: randomUUID(), status: 'working', createdAt: now, lastUpdatedAt: now, ttlMs: TTL_MS, pollIntervalMs: 100 };
    this.abort = new AbortController();
    this.asked = new Map(); // key -> { request, answer }
    tasks.set(this.state.taskId, this);
    setTimeout(() => tasks.delete(this.state.taskId), TTL_MS).unref();
  }

  get over() { return terminal.has(this.state.status); }

  set(status, more = {}) {
    if (!this.over) Object.assign(this.state, { status, lastUpdatedAt: new Date().toISOString() }, more);
  }

  start(work) {
    work(this).then(
      (result) => this.set('completed', { result }),
      (error) => this.set('failed', { error: { code: error.code ?? -32603, message: error.message } }),
    );
    return this;
  }

  sleep(ms) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, ms);
      this.abort.signal.addEventListener('abort', () => { clearTimeout(timer); reject(new Error('cancelled')); });
    });
  }

  ask(request) {
    return new Promise((answer) => {
      this.asked.set(randomUUID(), { request, answer });
      this.set('input_required');
    });
  }

  give(responses) {
    for (const [key, response] of Object.entries(responses)) {
      this.asked.get(key)?.answer(response);
      this.asked.delete(key);
    }
    if (this.asked.size === 0) this.set('working');
  }

  cancel() {
    this.set('cancelled');
    this.abort.abort();
  }

  /** As a call is answered that made a task. */
  get created() { return { resultType: 'task', ...this.state }; }

  get detailed() {
    if (this.state.status !== 'input_required') return this.state;
    return { ...this.state, inputRequests: Object.fromEntries([...this.asked].map(([key, { request }]) => [key, request])) };
  }
}

/** A task where the client knows the extension; otherwise the work's result in place, or -32021 where that can't be. */
export const as_task = (ctx, work, { required = false } = {}) => {
  if (negotiated(ctx)) return new Task().start(work).created;
  if (required) demand(ctx);
  return work({ sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)), ask: async () => ({ action: 'cancel' }) });
};

const Named = z.looseObject({ taskId: z.string() });

export const serve_tasks = (server) => {
  const method = (name, params, handle) => server.setRequestHandler(name, { params }, (given, ctx) => {
    demand(ctx);
    const task = tasks.get(given.taskId);
    if (task === undefined) throw new ProtocolError(-32602, 'Unknown task');
    return handle(task, given, ctx);
  });
  method('tasks/get', Named, (task) => task.detailed);
  method('tasks/update', Named, (task, given, ctx) => {
    task.give(given.inputResponses ?? ctx.mcpReq.inputResponses ?? {});
    return {};
  });
  method('tasks/cancel', Named, (task) => {
    task.cancel();
    return {};
  });
};
