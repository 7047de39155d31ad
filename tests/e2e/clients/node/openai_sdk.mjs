// The official SDK on Node: a tool loop over both APIs, streamed and whole, and an error.
import OpenAI from 'openai';

const { BASE_URL: baseURL, API_KEY: apiKey, MODEL: model } = process.env;
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const parameters = { type: 'object', properties: { at: { type: 'string' } }, required: ['at'] };
const output = '21 degrees';

async function responses(stream) {
  const tools = [{ type: 'function', name: 'look', parameters, strict: false }];
  const ask = async (input) => {
    if (!stream) return client.responses.create({ model, input, tools });
    return client.responses.stream({ model, input, tools }).finalResponse();
  };
  const input = [{ role: 'user', content: 'What is it like in Paris?' }];
  const first = await ask(input);
  const call = first.output.find((item) => item.type === 'function_call');
  input.push(...first.output, { type: 'function_call_output', call_id: call.call_id, output });
  const second = await ask(input);
  return { call: [call.name, call.arguments], text: second.output_text, usage: second.usage.total_tokens };
}

async function chat(stream) {
  const tools = [{ type: 'function', function: { name: 'look', parameters } }];
  const ask = async (messages) => {
    if (!stream) return client.chat.completions.create({ model, messages, tools });
    const options = { include_usage: true };
    return client.chat.completions.stream({ model, messages, tools, stream_options: options }).finalChatCompletion();
  };
  const messages = [{ role: 'user', content: 'What is it like in Paris?' }];
  const first = await ask(messages);
  const call = first.choices[0].message.tool_calls[0];
  messages.push(first.choices[0].message, { role: 'tool', tool_call_id: call.id, content: output });
  const second = await ask(messages);
  return {
    call: [call.function.name, call.function.arguments],
    text: second.choices[0].message.content,
    usage: second.usage.total_tokens,
  };
}

async function refusal(key) {
  try {
    await new OpenAI({ baseURL, apiKey: key, maxRetries: 0 }).responses.create({ model, input: 'Hi' });
  } catch (error) {
    return { name: error.constructor.name, status: error.status, code: error.code, message: error.message };
  }
}

const heard = {
  responses: await responses(false),
  responses_stream: await responses(true),
  chat: await chat(false),
  chat_stream: await chat(true),
  refusal: await refusal(`sk_${'0'.repeat(32)}.${'0'.repeat(64)}`),
};
console.log(JSON.stringify(heard));
