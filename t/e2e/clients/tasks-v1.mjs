// Tasks as a client of version 1 of the official SDK has them (2025-11-25):
//   node tasks-v1.mjs URL TOKEN [TASK]…    calls tools as tasks, asks for the given ids, prints what it saw as one line of JSON.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CallToolResultSchema, ElicitRequestSchema, RELATED_TASK_META_KEY, TaskStatusNotificationSchema } from '@modelcontextprotocol/sdk/types.js';

const [url, token, ...given] = process.argv.slice(2);
const client = new Client({ name: 'tasks-v1', version: '1.0.0' }, { capabilities: { elicitation: {} } });
const asked = [];
client.setRequestHandler(ElicitRequestSchema, (request) => {
  asked.push(request.params._meta?.[RELATED_TASK_META_KEY]?.taskId);
  return { action: 'accept', content: { name: 'Mira' } };
});
client.setNotificationHandler(TaskStatusNotificationSchema, () => undefined);
await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { Authorization: `Bearer ${token}` } } }));

const tasks = client.experimental.tasks;
const seen = { asked, errors: {} };
const run = async (name, args) => {
  const steps = { id: undefined, statuses: [], text: undefined };
  for await (const step of tasks.callToolStream({ name, arguments: args }, CallToolResultSchema, { task: { ttl: 60_000 } })) {
    if (step.type === 'taskCreated') steps.id = step.task.taskId;
    if (step.type === 'taskStatus') steps.statuses.push([step.task.taskId, step.task.status]);
    if (step.type === 'result') steps.text = step.result.content[0].text;
    if (step.type === 'error') steps.text = `error: ${step.error.message}`;
  }
  return steps;
};
seen.count = await run('count', { to: 3 });
seen.ask = await run('ask', { what: 'Who?' });
// With an id alone: whose result it is, the server says itself.
const result = await client.request({ method: 'tasks/result', params: { taskId: seen.count.id } }, CallToolResultSchema);
seen.related = result._meta?.[RELATED_TASK_META_KEY]?.taskId;
const long = await run_task('count', { to: 10_000, ms: 10 });
seen.cancelled = (await tasks.cancelTask(long)).status;
seen.long = long;
seen.listed = (await tasks.listTasks()).tasks.map((task) => task.taskId);
for (const id of given) {
  seen.errors[id] = [];
  for (const step of [() => tasks.getTask(id), () => tasks.getTaskResult(id, CallToolResultSchema), () => tasks.cancelTask(id)])
    await step().then(() => seen.errors[id].push('no error'), (error) => seen.errors[id].push(`${error.code} ${error.message}`));
}
console.log(JSON.stringify(seen));
await client.close();

async function run_task(name, args) {
  for await (const step of tasks.callToolStream({ name, arguments: args }, CallToolResultSchema, { task: { ttl: 60_000 } }))
    if (step.type === 'taskCreated') return step.task.taskId;
  return undefined;
}
