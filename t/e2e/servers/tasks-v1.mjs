// An MCP server with the experimental tasks of 2025-11-25, on version 1 of the official SDK: with sessions, and one store of
// tasks for all of them that forgets who made which (as a server that knows no users must). It prints one line of JSON with its
// port when it listens.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { InMemoryTaskMessageQueue, InMemoryTaskStore } from '@modelcontextprotocol/sdk/experimental/tasks/stores/in-memory.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { ElicitResultSchema, isInitializeRequest } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';

class EverybodysTasks extends InMemoryTaskStore {
  lookup(taskId) { return this.tasks.get(taskId); }
}

const tasks = new EverybodysTasks();
const queue = new InMemoryTaskMessageQueue();
const sessions = new Map(); // session id -> transport
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const make_server = () => {
  const server = new McpServer({ name: 'tasks-v1', version: '1.0.0' }, {
    capabilities: { tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } }, taskStore: tasks, taskMessageQueue: queue,
  });
  const tool = (name, inputSchema, work) => server.experimental.tasks.registerToolTask(name, { inputSchema, execution: { taskSupport: 'optional' } }, {
    async createTask(args, extra) {
      const task = await extra.taskStore.createTask({ ttl: extra.taskRequestedTtl, pollInterval: 50 });
      const settle = (status, text) => extra.taskStore.storeTaskResult(task.taskId, status, { content: [{ type: 'text', text }], isError: status === 'failed' });
      work(args, { ...extra, taskId: task.taskId }).then((text) => settle('completed', text), (error) => settle('failed', `${error}`)).catch(() => undefined);
      return { task };
    },
    getTask: (_args, extra) => extra.taskStore.getTask(extra.taskId),
    getTaskResult: (_args, extra) => extra.taskStore.getTaskResult(extra.taskId),
  });
  tool('count', { to: z.number(), ms: z.number().optional() }, async ({ to, ms = 1 }) => {
    for (let i = 0; i < to; ++i) await later(ms);
    return `counted to ${to}`;
  });
  // Asks while it runs: what it asks is queued, and comes with tasks/result.
  tool('ask', { what: z.string() }, async ({ what }, { taskId, sendRequest, taskStore }) => {
    const params = { mode: 'form', message: what, requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } };
    const answer = await sendRequest({ method: 'elicitation/create', params }, ElicitResultSchema, { relatedTask: { taskId } });
    await taskStore.updateTaskStatus(taskId, 'working');
    return `${answer.action} ${answer.content?.name}`;
  });
  return server;
};

const read = async (req) => {
  const pieces = [];
  for await (const piece of req) pieces.push(piece);
  return pieces.length === 0 ? undefined : JSON.parse(Buffer.concat(pieces).toString());
};

const listener = createServer(async (req, res) => {
  const body = await read(req);
  let transport = sessions.get(req.headers['mcp-session-id']);
  if (transport === undefined) {
    if (!isInitializeRequest(body)) return res.writeHead(404).end();
    transport = new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID, onsessioninitialized: (id) => sessions.set(id, transport) });
    await make_server().connect(transport);
  }
  return transport.handleRequest(req, res, body);
});
listener.keepAliveTimeout = 60_000;
listener.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: listener.address().port })));
