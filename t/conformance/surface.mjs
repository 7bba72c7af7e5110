// The tools, prompts and resources that the conformance suite asks for, by the names that it knows, and a few more that
// the stories of t/e2e need. One McpServer: per request in 2026-07-28, per session before.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  completable, fromJsonSchema, inputRequired, McpServer, ProtocolError, ResourceNotFoundError, ResourceTemplate,
} from '@modelcontextprotocol/server';
import { memorySkillFiles, SkillsExtension } from '@modelcontextprotocol/server/ext/skills';
import { z } from 'zod';
import { as_task, declared, EXTENSION, serve_tasks } from './tasks.mjs';

const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
const WAV = 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=';

const text = (words, more = {}) => ({ content: [{ type: 'text', text: words }], ...more });
const image = { type: 'image', data: PNG, mimeType: 'image/png' };
const pause = (ms) => new Promise((resume) => setTimeout(resume, ms));

// --- what a multi-round call must not let its caller change -------------------------------------------------------------

const key = randomBytes(32);
const seal = (state) => {
  const body = Buffer.from(JSON.stringify(state)).toString('base64url');
  return `${body}.${createHmac('sha256', key).update(body).digest('base64url')}`;
};
const unseal = (sealed) => {
  const [body, mac = ''] = String(sealed).split('.');
  const right = createHmac('sha256', key).update(body).digest();
  const given = Buffer.from(mac, 'base64url');
  if (given.length !== right.length || !timingSafeEqual(given, right)) throw new ProtocolError(-32602, 'requestState is not ours');
  return JSON.parse(Buffer.from(body, 'base64url').toString());
};

const ask = (message, properties, required = Object.keys(properties)) =>
  inputRequired.elicit({ message, requestedSchema: { type: 'object', properties, required } });
const sample = (words, maxTokens = 100) =>
  inputRequired.createMessage({ messages: [{ role: 'user', content: { type: 'text', text: words } }], maxTokens });
const STRING = { type: 'string' };
const ASK_NAME = ask('What is your name?', { name: STRING });

/** An answer to an elicitation that was accepted and has this string. */
const accepted = (response, name) => {
  const value = response?.action === 'accept' ? response.content?.[name] : undefined;
  return typeof value === 'string' ? value : undefined;
};
const said = (response) => (Array.isArray(response?.content) ? response.content[0] : response?.content)?.text;

// --- tools ---------------------------------------------------------------------------------------------------------------

// As SEP-1613 and SEP-2106 have it, keyword by keyword.
const DRAFT_2020_12 = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: { address: { $anchor: 'addressDef', type: 'object', properties: { street: STRING, city: STRING } } },
  properties: {
    name: STRING, address: { $ref: '#/$defs/address' }, contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: STRING, email: STRING,
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
};

const DEFAULTS = {
  name: { type: 'string', default: 'John Doe' }, age: { type: 'integer', default: 30 }, score: { type: 'number', default: 95.5 },
  status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' }, verified: { type: 'boolean', default: true },
};
const titled = (words) => words.map((title, index) => ({ const: `value${index + 1}`, title }));
const ENUMS = {
  untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
  titledSingle: { type: 'string', oneOf: titled(['First Option', 'Second Option', 'Third Option']) },
  legacyEnum: { type: 'string', enum: ['opt1', 'opt2', 'opt3'], enumNames: ['Option One', 'Option Two', 'Option Three'] },
  untitledMulti: { type: 'array', items: { type: 'string', enum: ['option1', 'option2', 'option3'] } },
  titledMulti: { type: 'array', items: { anyOf: titled(['First Choice', 'Second Choice', 'Third Choice']) } },
};

/** The result of an elicitation in words, once it is there. */
const elicited = (message, properties, words) => async (_args, { responses }) => {
  const answer = responses.answer;
  if (answer === undefined) return inputRequired({ inputRequests: { answer: ask(message, properties, []) } });
  return text(`${words}: action=${answer.action}, content=${JSON.stringify(answer.content ?? {})}`);
};

let cancelled = 0;

// name -> { description, input (a schema), run(arguments, { ctx, responses, state, notify, era }) }
const TOOLS = {
  test_simple_text: { description: 'Answers with text', run: () => text('This is a simple text response for testing.') },
  test_image_content: { description: 'Answers with an image', run: () => ({ content: [image] }) },
  test_audio_content: { description: 'Answers with audio', run: () => ({ content: [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }] }) },
  test_embedded_resource: {
    description: 'Answers with a resource inside',
    run: () => ({ content: [{ type: 'resource', resource: { uri: 'test://embedded-resource', mimeType: 'text/plain', text: 'This is an embedded resource content.' } }] }),
  },
  test_multiple_content_types: {
    description: 'Answers with text, an image and a resource',
    run: () => ({
      content: [{ type: 'text', text: 'Multiple content types test:' }, image,
        { type: 'resource', resource: { uri: 'test://mixed-content-resource', mimeType: 'application/json', text: '{"test":"data","value":123}' } }],
    }),
  },
  test_tool_with_logging: {
    description: 'Logs three times while it runs',
    run: async (_args, { ctx }) => {
      for (const words of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
        await ctx.mcpReq.log('info', words);
        await pause(50);
      }
      return text('Logged three times');
    },
  },
  test_logging_tool: {
    description: 'Logs, where the request asks for logs',
    run: async (_args, { ctx }) => {
      await ctx.mcpReq.log('info', 'Something happened');
      return text('Logged, if you asked for it');
    },
  },
  test_tool_with_progress: {
    description: 'Reports progress three times',
    run: async (_args, { ctx }) => {
      const { progressToken } = ctx.mcpReq._meta ?? {};
      for (const progress of [0, 50, 100]) {
        if (progressToken !== undefined) await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
        await pause(50);
      }
      return text('Done');
    },
  },
  test_error_handling: { description: 'Always fails', run: () => text('This tool intentionally returns an error for testing', { isError: true }) },
  test_sampling: {
    description: "Asks the client's model",
    input: z.object({ prompt: z.string() }),
    run: ({ prompt }, { responses }) => {
      if (responses.sample === undefined) return inputRequired({ inputRequests: { sample: sample(prompt) } });
      return text(`LLM response: ${said(responses.sample)}`);
    },
  },
  test_elicitation: {
    description: 'Asks the person for a name and an address',
    input: z.object({ message: z.string() }),
    run: ({ message }, { responses }) => {
      const answer = responses.answer;
      if (answer === undefined) {
        return inputRequired({ inputRequests: { answer: ask(message, {
          username: { type: 'string', description: "User's response" }, email: { type: 'string', description: "User's email address" },
        }) } });
      }
      return text(`User response: action=${answer.action}, content=${JSON.stringify(answer.content ?? {})}`);
    },
  },
  test_elicitation_sep1034_defaults: { description: 'Asks with defaults', run: elicited('Please check', DEFAULTS, 'Elicitation completed') },
  test_elicitation_sep1330_enums: { description: 'Asks with every kind of choice', run: elicited('Please choose', ENUMS, 'Elicitation completed') },
  test_streaming_elicitation: {
    description: 'Says that it works, then asks',
    run: async (_args, { ctx, responses }) => {
      await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken: ctx.mcpReq._meta?.progressToken ?? 'none', progress: 1 } });
      if (responses.user_name === undefined) return inputRequired({ inputRequests: { user_name: ASK_NAME } });
      return text(`Hello, ${accepted(responses.user_name, 'name')}!`);
    },
  },
  json_schema_2020_12_tool: {
    description: 'Tool with JSON Schema 2020-12 features', input: fromJsonSchema(DRAFT_2020_12), run: (args) => text(JSON.stringify(args)),
  },
  test_headers: {
    description: 'Has an argument that a header mirrors',
    input: fromJsonSchema({ type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } }, required: ['region'] }),
    run: ({ region }) => text(`region ${region}`),
  },
  test_reconnection: {
    description: 'Closes the stream of its own call; the result comes to whoever comes back',
    run: async (_args, { ctx }) => {
      ctx.http?.closeSSE?.();
      await pause(100);
      return text('Reconnection test completed successfully');
    },
  },
  test_missing_capability: {
    description: "Can't run without sampling",
    run: (_args, { responses }) => (responses.sample === undefined
      ? inputRequired({ inputRequests: { sample: sample('Say something') } }) : text(said(responses.sample))),
  },
  test_trigger_tool_change: { description: 'Tells that the tools changed', run: (_args, { notify }) => { notify.tools(); return text('Told'); } },
  test_trigger_prompt_change: { description: 'Tells that the prompts changed', run: (_args, { notify }) => { notify.prompts(); return text('Told'); } },
  touch_resource: {
    description: 'Tells that a resource changed',
    input: z.object({ uri: z.string() }),
    run: ({ uri }, { notify }) => { notify.resource(uri); return text('Told'); },
  },
  count: {
    description: 'Reports progress so many times, so many milliseconds apart',
    input: z.object({ to: z.number().int(), ms: z.number().int() }),
    run: async ({ to, ms }, { ctx }) => {
      for (let progress = 1; progress <= to; progress += 1) {
        await pause(ms);
        if (ctx.mcpReq.signal.aborted) cancelled += 1;
        ctx.mcpReq.signal.throwIfAborted();
        await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken: ctx.mcpReq._meta?.progressToken ?? 0, progress, total: to } });
      }
      return text(`counted to ${to}`);
    },
  },
  cancelled: { description: 'How many counts were cancelled', run: () => text(String(cancelled)) },
  // --- many rounds (2026-07-28)
  test_input_required_result_elicitation: {
    description: 'Asks for a name',
    run: (_args, { responses }) => {
      const name = accepted(responses.user_name, 'name');
      return name === undefined ? inputRequired({ inputRequests: { user_name: ASK_NAME } }) : text(`Hello, ${name}!`);
    },
  },
  test_input_required_result_sampling: {
    description: 'Asks a model',
    run: (_args, { responses }) => (responses.capital_question === undefined
      ? inputRequired({ inputRequests: { capital_question: sample('What is the capital of France?') } }) : text(said(responses.capital_question))),
  },
  test_input_required_result_list_roots: {
    description: 'Asks for roots',
    run: (_args, { responses }) => (responses.client_roots === undefined
      ? inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } }) : text(responses.client_roots.roots.map(({ uri }) => uri).join(' '))),
  },
  test_input_required_result_request_state: {
    description: 'Asks for consent and keeps state with the client',
    run: (_args, { responses, state }) => {
      if (responses.confirm !== undefined && state()?.for === 'confirm') return text('state-ok');
      return inputRequired({ inputRequests: { confirm: ask('Please confirm', { ok: { type: 'boolean' } }) }, requestState: seal({ for: 'confirm' }) });
    },
  },
  test_input_required_result_multiple_inputs: {
    description: 'Asks three things at once',
    run: (_args, { responses, state }) => {
      const { user_name, greeting, client_roots } = responses;
      if (user_name && greeting && client_roots && state()?.for === 'three') {
        return text(`${said(greeting)}, ${accepted(user_name, 'name')}: ${client_roots.roots.length} roots`);
      }
      return inputRequired({
        inputRequests: { user_name: ASK_NAME, greeting: sample('Generate a greeting', 50), client_roots: inputRequired.listRoots() },
        requestState: seal({ for: 'three' }),
      });
    },
  },
  test_input_required_result_multi_round: {
    description: 'Asks twice',
    run: (_args, { responses, state }) => {
      const before = state();
      if (before?.round === 2 && responses.step2 !== undefined) return text(`${before.name} likes ${accepted(responses.step2, 'color')}`);
      const name = before?.round === 1 ? accepted(responses.step1, 'name') : undefined;
      if (name !== undefined) {
        return inputRequired({ inputRequests: { step2: ask('Step 2: What is your favorite color?', { color: STRING }) }, requestState: seal({ round: 2, name }) });
      }
      return inputRequired({ inputRequests: { step1: ask('Step 1: What is your name?', { name: STRING }) }, requestState: seal({ round: 1 }) });
    },
  },
  test_input_required_result_tampered_state: {
    description: 'Refuses a state that was changed',
    run: (_args, { responses, state }) => {
      if (state()?.for === 'tamper' && responses.confirm !== undefined) return text('untouched');
      return inputRequired({ inputRequests: { confirm: ask('Please confirm', { ok: { type: 'boolean' } }) }, requestState: seal({ for: 'tamper' }) });
    },
  },
  test_input_required_result_capabilities: {
    description: 'Asks only for what the client can do',
    run: (_args, { ctx, responses }) => {
      if (Object.keys(responses).length > 0) return text(`answered: ${Object.keys(responses).join(' ')}`);
      const can = declared(ctx);
      const inputRequests = {
        ...(can.elicitation && { user_name: ASK_NAME }), ...(can.sampling && { question: sample('Say something') }),
        ...(can.roots && { client_roots: inputRequired.listRoots() }),
      };
      return Object.keys(inputRequests).length > 0 ? inputRequired({ inputRequests }) : text('nothing to ask');
    },
  },
  // --- tasks (2026-07-28)
  greet: { description: 'Greets at once', input: z.object({ name: z.string() }), run: ({ name }) => text(`Hello, ${name}!`) },
  slow_compute: {
    description: 'Takes so many seconds',
    input: z.object({ seconds: z.number().optional() }).loose(),
    run: ({ seconds = 1 }, { ctx }) => as_task(ctx, async (task) => {
      await task.sleep(seconds * 1000);
      return text(`computed for ${seconds} s`);
    }),
  },
  failing_job: {
    description: 'Ends with an error of the tool',
    run: (_args, { ctx }) => as_task(ctx, async (task) => {
      await task.sleep(1000);
      return text('The job failed', { isError: true });
    }, { required: true }),
  },
  protocol_error_job: {
    description: 'Ends with an error of the protocol',
    run: (_args, { ctx }) => as_task(ctx, async (task) => {
      await task.sleep(100);
      throw new ProtocolError(-32603, 'The job broke');
    }),
  },
  confirm_delete: {
    description: 'Asks before it deletes',
    input: z.object({ filename: z.string().optional() }).loose(),
    run: ({ filename = 'file' }, { ctx }) => as_task(ctx, async (task) => {
      const answer = await task.ask(ask(`Delete ${filename}?`, { confirm: { type: 'boolean' } }));
      return text(answer.action === 'accept' && answer.content?.confirm === true ? `deleted ${filename}` : `kept ${filename}`);
    }),
  },
  multi_input: {
    description: 'Asks two things at once',
    run: (_args, { ctx }) => as_task(ctx, async (task) => {
      const answers = await Promise.all(['first', 'second'].map((which) => task.ask(ask(`The ${which}?`, { value: STRING }))));
      return text(answers.map((answer) => answer.content?.value ?? answer.action).join(' '));
    }),
  },
  test_tool_with_task: {
    description: 'Asks, then goes on as a task',
    run: (_args, { ctx, responses }) => {
      const [response] = Object.values(responses);
      if (response === undefined) return inputRequired({ inputRequests: { user_name: ASK_NAME } });
      return as_task(ctx, async () => text(`Hello, ${accepted(response, 'name')}!`), { required: true });
    },
  },
};

const serve_tools = (server, context) => {
  for (const [name, { description, input }] of Object.entries(TOOLS)) {
    server.registerTool(name, { description, ...(input && { inputSchema: input }) }, () => { throw new Error('not reached'); });
  }
  // The SDK's own handler turns an error that a tool throws into a result; these tools also throw the protocol's errors.
  server.server.setRequestHandler('tools/call', async ({ params }, ctx) => {
    const tool = Object.hasOwn(TOOLS, params.name) ? TOOLS[params.name] : undefined;
    if (tool === undefined) throw new ProtocolError(-32602, `Unknown tool: ${params.name}`);
    const checked = tool.input ? await tool.input['~standard'].validate(params.arguments ?? {}) : { value: {} };
    if (checked.issues) throw new ProtocolError(-32602, `Invalid arguments for ${params.name}: ${checked.issues[0].message}`);
    const state = () => {
      const sealed = ctx.mcpReq.requestState();
      return sealed === undefined ? undefined : unseal(sealed);
    };
    return tool.run(checked.value, { ...context, ctx, state, responses: ctx.mcpReq.inputResponses ?? {} });
  });
};

// --- prompts -------------------------------------------------------------------------------------------------------------

const message = (content) => ({ role: 'user', content });
const words = (text_) => message({ type: 'text', text: text_ });
const CITIES = ['paris', 'park', 'party', 'lyon'];

const serve_prompts = (server) => {
  server.registerPrompt('test_simple_prompt', { description: 'A prompt' }, () => ({ messages: [words('This is a simple prompt for testing.')] }));
  server.registerPrompt('test_prompt_with_arguments', {
    description: 'A prompt with two arguments',
    argsSchema: z.object({
      arg1: completable(z.string().describe('First test argument'), (begun) => CITIES.filter((city) => city.startsWith(begun))),
      arg2: z.string().describe('Second test argument'),
    }),
  }, ({ arg1, arg2 }) => ({ messages: [words(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)] }));
  server.registerPrompt('test_prompt_with_embedded_resource', {
    description: 'A prompt with a resource inside', argsSchema: z.object({ resourceUri: z.string().describe('URI of the resource to embed') }),
  }, ({ resourceUri }) => ({ messages: [
    message({ type: 'resource', resource: { uri: resourceUri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' } }),
    words('Please process the embedded resource above.'),
  ] }));
  server.registerPrompt('test_prompt_with_image', { description: 'A prompt with an image' },
    () => ({ messages: [message(image), words('Please analyze the image above.')] }));
  server.registerPrompt('test_input_required_result_prompt', { description: 'A prompt that asks first' }, (ctx) => {
    const context = accepted(ctx.mcpReq.inputResponses?.user_context, 'context');
    if (context === undefined) return inputRequired({ inputRequests: { user_context: ask('What context should the prompt use?', { context: STRING }) } });
    return { messages: [words(`In the context of ${context}`)] };
  });
};

// --- resources -----------------------------------------------------------------------------------------------------------

const serve_resources = (server, { era, watched }) => {
  const fixed = (name, uri, description, mimeType, content) =>
    server.registerResource(name, uri, { description, mimeType }, () => ({ contents: [{ uri, mimeType, ...content }] }));
  fixed('static-text', 'test://static-text', 'A text', 'text/plain', { text: 'This is the content of the static text resource.' });
  fixed('static-binary', 'test://static-binary', 'An image', 'image/png', { blob: PNG });
  fixed('watched-resource', 'test://watched-resource', 'Something to watch', 'text/plain', { text: 'Watched' });
  server.registerResource('template', new ResourceTemplate('test://template/{id}/data', {
    list: undefined, complete: { id: (begun) => ['123', '124', '200'].filter((id) => id.startsWith(begun)) },
  }), { description: 'Data by id', mimeType: 'application/json' }, (uri, { id }) => ({
    contents: [{ uri: uri.href, mimeType: 'application/json', text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) }],
  }));
  if (era === 'modern') return;
  const known = (uri) => { if (!uri.startsWith('test://')) throw new ResourceNotFoundError(uri); };
  server.server.setRequestHandler('resources/subscribe', ({ params: { uri } }) => { known(uri); watched.add(uri); return {}; });
  server.server.setRequestHandler('resources/unsubscribe', ({ params: { uri } }) => { watched.delete(uri); return {}; });
};

const skills = await SkillsExtension.load(memorySkillFiles({
  'greeting/SKILL.md': '---\nname: greeting\ndescription: How to greet people\n---\n\n# Greeting\n\nSay hello.\n',
  'greeting/examples/formal.md': 'Good morning.\n',
}));

/** { era, notify } and in legacy `watched`, the URIs that the session subscribed to. */
export const surface = (context) => {
  const legacy = context.era === 'legacy';
  const server = new McpServer({ name: 'conformance-fixture', version: '1.0.0' }, {
    capabilities: {
      tools: { listChanged: true }, prompts: { listChanged: true }, resources: { subscribe: true, listChanged: true }, completions: {}, logging: {},
      ...(!legacy && { extensions: { [EXTENSION]: {} } }),
    },
  });
  serve_tools(server, context);
  serve_prompts(server);
  serve_resources(server, context);
  if (!legacy) {
    skills.attach(server);
    serve_tasks(server.server);
  }
  return server;
};
