import { expect, test } from 'vitest';
import { afterAction, type GuardSettings, nextAction, nothingTaken } from './ladder.ts';

/** The actions that trouble without end leads to. */
function actionsOf(settings: GuardSettings, broken = false): string[] {
  const actions: string[] = [];
  for (let taken = nothingTaken; actions.at(-1) !== 'stop'; ) {
    const action = nextAction(settings, taken, broken);
    actions.push(action);
    taken = afterAction(taken, action);
  }
  return actions;
}

test('skip turns to rollback, and rollback to stop', () => {
  const back = ['skip', 'skip', 'rollback'];
  expect(actionsOf({ action: 'skip', maxSkippedSteps: 2 })).toEqual([
    ...back,
    ...back,
    ...back,
    'skip',
    'skip',
    'stop',
  ]);
  expect(actionsOf({ action: 'rollback', maxSkippedSteps: 5 })).toEqual(['rollback', 'rollback', 'rollback', 'stop']);
  expect(actionsOf({ action: 'stop', maxSkippedSteps: 5 })).toEqual(['stop']);
});

test('weights that are broken are not skipped: no other batch would fare better', () => {
  expect(actionsOf({ action: 'skip', maxSkippedSteps: 5 }, true)[0]).toBe('rollback');
});

test('each way back halves the learning rate', () => {
  const taken = [1, 2, 3].reduce((before) => afterAction(before, 'rollback'), afterAction(nothingTaken, 'skip'));
  expect(taken).toEqual({ skippedSteps: 1, skippedSinceRollback: 0, rollbacks: 3, rateScale: 1 / 8 });
});
