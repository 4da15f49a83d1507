/** Which layers PEFT 0.21.2 chooses (check_target_module_exists): the answers here are its own. */
import { describe, expect, it } from 'vitest';
import { chooses } from '../../../methods/pattern.ts';
import { numberFields, withNumbersInTargets } from './layers.ts';

const paths = [
  'model.layers.0.self_attn.q',
  'model.layers.1.self_attn.q',
  'model.layers.10.self_attn.q',
  'model.layers.1.mlp.experts.0.q',
  'encoder.h.1.layers.0.q',
  'layers.1.q',
  'h.0.attn.1.q',
  'q',
];
const chosen = (fields: object): string[] => {
  const { target_modules: targets } = withNumbersInTargets({ target_modules: ['q'], ...fields }, 'here');
  return paths.filter((path) => chooses(targets as string[] | string, path));
};
const [first, second, tenth, expert, nested, bare, attention, exact] = paths as [string, ...string[]];

describe('layers by their numbers', () => {
  it.each([
    [{ layers_to_transform: 1 }, [second, expert, nested, attention, exact]],
    [{ layers_to_transform: [0, 10] }, [first, tenth, exact]],
    [{ layers_to_transform: [0], layers_pattern: 'layers' }, [first, nested, exact]],
    [{ layers_to_transform: [1], layers_pattern: ['layers'] }, [second, expert, bare, exact]],
    [{ layers_to_transform: [1], layers_pattern: ['h', 'layers'] }, [second, expert, nested, bare, exact]],
    [{ layers_to_transform: [0], layers_pattern: ['h', 'layers'] }, [first, attention, exact]],
    [{ layers_to_transform: [1], layers_pattern: [] }, [second, expert, nested, attention, exact]],
    [{ layers_to_transform: [0], target_modules: ['q', tenth] }, [first, tenth, exact]],
    [{ layers_to_transform: [] }, paths],
    [{ layers_to_transform: null, layers_pattern: '' }, paths],
  ])('%j', (fields, wanted) => {
    expect(chosen(fields)).toEqual(wanted);
  });

  it.each([
    [{ layers_to_transform: ['0'] }, 'layers_to_transform: got ["0"]; '],
    [{ layers_to_transform: -1 }, 'layers_to_transform: got -1; '],
    [{ layers_to_transform: [0], target_modules: '.*q' }, 'layers_to_transform is [0], and target_modules is no list'],
    [{ layers_to_transform: [0], layers_pattern: '(h|layers)' }, 'layers_pattern is "(h|layers)", '],
    [{ layers_pattern: 'h' }, 'layers_pattern is "h", and layers_to_transform names no layers of it'],
  ])('refuses %j', (fields, problem) => {
    expect(() => chosen(fields)).toThrow(
      expect.objectContaining({
        code: 'ADAPTER_UNSUPPORTED',
        where: 'here',
        problem: expect.stringContaining(problem),
      }),
    );
  });

  it('are written as they were, and not beside other targets', () => {
    const kept = { target_modules: ['q'], layers_to_transform: [0], layers_pattern: 'layers', r: 8 };
    const { target_modules: targets } = withNumbersInTargets(kept, 'here');
    const { r: _, ...fields } = kept;
    expect(numberFields(targets, kept)).toEqual(fields);
    expect(numberFields(['q'], kept)).toEqual({ layers_to_transform: null, layers_pattern: null });
    expect(numberFields('.*q', { ...kept, layers_to_transform: [], layers_pattern: null })).toEqual({
      layers_to_transform: null,
      layers_pattern: null,
    });
    expect(numberFields(['q'], { target_modules: ['q'], layers_to_transform: null })).toEqual({});
  });
});
