import { expect, test } from 'vitest';
import { callsIn, sameCalls } from './toolCalls.ts';

const weather = { name: 'weather', arguments: { city: 'Oslo', days: 2 } };

test.each([
  ['Hermes', '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo", "days": 2}}\n</tool_call>'],
  ['Llama 3', '<|python_tag|>{"name": "weather", "parameters": {"days": 2, "city": "Oslo"}}<|eom_id|>'],
  ['Mistral', '[TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Oslo", "days": 2}}]</s>'],
  ['a tag with the name', '<function=weather>{"city": "Oslo", "days": 2}</function>'],
  ['newer Mistral', '[TOOL_CALLS]weather[ARGS]{"city": "Oslo", "days": 2}</s>'],
  ['arguments as text', 'I call {"name": "weather", "arguments": "{\\"city\\": \\"Oslo\\", \\"days\\": 2}"}'],
  [
    'in the form of the API',
    '{"type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo", "days": 2}}}',
  ],
])('a call is found as %s writes it', (_, text) => {
  expect(sameCalls(callsIn(text), [weather])).toBe(true);
});

test('braces in strings, and objects that are no calls', () => {
  const braces = { name: 'say', arguments: { text: 'a } b { "c"' } };
  expect(callsIn(`{"city": "Oslo"} {broken ${JSON.stringify(braces)} {`)).toEqual([braces]);
  expect(callsIn('It is cold.')).toEqual([]);
});

test.each([
  ['another name', [{ ...weather, name: 'wether' }]],
  ['another argument', [{ ...weather, arguments: { city: 'Oslo', days: 3 } }]],
  ['an argument too many', [{ ...weather, arguments: { ...weather.arguments, exact: true } }]],
  ['a number as text', [{ ...weather, arguments: { city: 'Oslo', days: '2' } }]],
  ['a call too many', [weather, weather]],
  ['no call', []],
])('%s is another call', (_, found) => {
  expect(sameCalls(found, [weather])).toBe(false);
});
