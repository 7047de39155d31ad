// Vercel's AI SDK: a tool loop of its own over both of its OpenAI models, streamed and whole, reasoning, an object.
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, isStepCount, Output, streamText, tool } from 'ai';
import { z } from 'zod';

const { BASE_URL: baseURL, API_KEY: apiKey, MODEL: name } = process.env;
const openai = createOpenAI({ baseURL, apiKey });
const tools = {
  look: tool({
    description: 'Looks.',
    inputSchema: z.object({ at: z.string() }),
    execute: async ({ at }) => (at === 'Paris' ? '21 degrees' : 'nothing'),
  }),
};
// Without it the second step refers to items by id, and nothing is kept for a Chat-only model.
const providerOptions = { openai: { store: false } };
const asked = { providerOptions, prompt: 'What is it like in Paris?', tools, stopWhen: isStepCount(3), maxRetries: 0 };

function told(steps, text) {
  const calls = steps.flatMap((step) => step.toolCalls.map((call) => [call.toolName, call.input]));
  const results = steps.flatMap((step) => step.toolResults.map((result) => result.output));
  const usage = steps.map((step) => step.usage.totalTokens);
  const reasoning = steps.map((step) => step.reasoningText ?? '').join('');
  return { calls, results, text, usage, reasoning };
}

async function whole(model) {
  const { steps, text } = await generateText({ model, ...asked });
  return told(steps, text);
}

async function streamed(model) {
  let pieces = 0;
  let failure = null;
  const result = streamText({ model, ...asked, onError: ({ error }) => { failure = error; } });
  for await (const part of result.fullStream) if (part.type === 'text-delta') pieces += 1;
  if (failure) throw failure;
  return { ...told(await result.steps, await result.text), pieces };
}

async function object(model) {
  const output = Output.object({ schema: z.object({ degrees: z.number() }) });
  const result = await generateText({ model, prompt: 'As JSON.', output, providerOptions, maxRetries: 0 });
  return result.output;
}

const heard = {};
if (process.argv[2] === 'object') {
  heard.responses = await object(openai.responses(name));
  heard.chat = await object(openai.chat(name));
} else {
  for (const [api, model] of [['responses', openai.responses(name)], ['chat', openai.chat(name)]]) {
    heard[api] = await whole(model);
    heard[`${api}_stream`] = await streamed(model);
  }
}
console.log(JSON.stringify(heard));
