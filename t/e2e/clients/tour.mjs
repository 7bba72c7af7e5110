// What both generations of the TypeScript SDK do with the conformance fixture behind the gateway. Started as
//
//   node tour-vN.mjs --url MCP_URL --token TOKEN [--era legacy|auto|VERSION]
//
// they print one JSON object: the protocol version, and of every step what it gave, or { error, code } of what it threw.
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({ options: {
  url: { type: 'string' }, token: { type: 'string' }, era: { type: 'string', default: 'auto' },
} });

/** What the person, the model and the file system behind the client say. */
export const answers = {
  elicit: () => ({ action: 'accept', content: { username: 'mira', email: 'mira@company.example', name: 'Mira' } }),
  sample: () => ({ role: 'assistant', model: 'model', content: { type: 'text', text: 'Paris' } }),
  roots: () => ({ roots: [{ uri: 'file:///home/mira', name: 'home' }] }),
};

export async function tour(connect) {
  const { client, version, call } = await connect({ url: new URL(options.url), era: options.era, headers: { authorization: `Bearer ${options.token}` } });
  const told = { version: version() };
  const step = async (name, run) => {
    try {
      told[name] = await run();
    } catch (error) {
      told[name] = { error: error.message, code: error.code ?? null };
    }
  };
  const text = async (...how) => (await call(...how)).content[0].text;
  await step('tools', async () => (await client.listTools()).tools.map(({ name }) => name));
  await step('prompts', async () => (await client.listPrompts()).prompts.map(({ name }) => name));
  await step('resources', async () => (await client.listResources()).resources.map(({ uri }) => uri));
  await step('call', () => text('test_simple_text', {}));
  await step('resource', async () => (await client.readResource({ uri: 'test://static-text' })).contents[0].text);
  await step('prompt', async () => (await client.getPrompt({ name: 'test_simple_prompt' })).messages[0].content.text);
  await step('complete', async () => (await client.complete({
    ref: { type: 'ref/prompt', name: 'test_prompt_with_arguments' }, argument: { name: 'arg1', value: 'par' },
  })).completion.values);
  await step('progress', async () => {
    const seen = [];
    await call('test_tool_with_progress', {}, { onprogress: ({ progress }) => seen.push(progress) });
    return seen;
  });
  await step('mirrored', () => text('test_headers', { region: 'ä' }));
  await step('elicited', () => text('test_elicitation', { message: 'Who are you?' }));
  await step('sampled', () => text('test_sampling', { prompt: 'Capital of France?' }));
  await step('rooted', () => text('test_input_required_result_list_roots', {}));
  await step('hidden', () => text('test_error_handling', {}));
  await step('hidden_prompt', () => client.getPrompt({ name: 'test_prompt_with_image' }));
  await step('hidden_resource', () => client.readResource({ uri: 'test://static-binary' }));
  await step('step_up', () => text('greet', { name: 'Mira' }));
  console.log(JSON.stringify(told));
  await client.close();
}
