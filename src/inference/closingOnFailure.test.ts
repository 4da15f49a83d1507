import { expect, test } from 'vitest';
import { closingOnFailure } from './closingOnFailure.ts';

function opened() {
  let closed = 0;
  return { closed: () => closed, [Symbol.asyncDispose]: async () => void closed++ };
}

test('what was opened is closed once where the rest fails, and the failure is what is thrown', async () => {
  const session = opened();
  const failure = new Error('no fingerprint');
  await expect(closingOnFailure(session, () => Promise.reject(failure))).rejects.toBe(failure);
  expect(session.closed()).toBe(1);
});

test('it stays open where nothing fails', async () => {
  const session = opened();
  await expect(closingOnFailure(session, async () => 7)).resolves.toBe(7);
  expect(session.closed()).toBe(0);
});
