/** What adapters have to have in common to be added up, where their folders say it. */
import { AttuneError } from '../../errors/index.ts';
import { basePrecisionOf } from '../../methods/index.ts';
import type { Adapter, Manifest } from '../../store/adapters/index.ts';

type Facts = Partial<Pick<Manifest, 'task' | 'labels' | 'threshold' | 'chat'>> & { readonly maxLength?: number };

/** Throws where two differ in something that no sum has two of. */
export function agreed(adapters: readonly Adapter[]): Facts {
  expectEqual(adapters, 'precision of the base', (adapter) => basePrecisionOf(adapter.method));
  const task = expectEqual(adapters, 'task', ({ manifest }) => manifest?.task);
  const labels = expectEqual(adapters, 'labels', ({ manifest, labels: own }) => manifest?.labels ?? own);
  const chat = expectEqual(adapters, 'chat template', ({ manifest }) => manifest?.chat);
  const thresholds = new Set(adapters.map(({ manifest }) => manifest?.threshold));
  const lengths = adapters.flatMap(({ manifest }) => manifest?.max_length ?? []);
  const [threshold] = thresholds.size === 1 ? thresholds : [];
  return {
    ...(task !== undefined && { task }),
    ...(labels && { labels: [...labels] }),
    ...(chat && { chat }),
    ...(threshold !== undefined && { threshold }),
    ...(lengths.length > 0 && { maxLength: Math.max(...lengths) }),
  };
}

/** Those that say nothing agree with anything. */
function expectEqual<T>(
  adapters: readonly Adapter[],
  what: string,
  read: (adapter: Adapter) => T | undefined,
): T | undefined {
  const known = adapters.flatMap((adapter) => {
    const value = read(adapter);
    return value === undefined ? [] : [{ adapter, value, text: JSON.stringify(value) }];
  });
  const [first] = known;
  const other = known.find(({ text }) => text !== first!.text);
  if (!other) return first?.value;
  throw new AttuneError({
    code: 'ADAPTER_SUM',
    where: other.adapter.folder,
    problem: `its ${what} (${shortly(other.text)}) is not that of ${first!.adapter.folder} (${shortly(first!.text)})`,
    fix: `add adapters of the same ${what}`,
  });
}

const LONGEST = 60;
const shortly = (text: string): string => (text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);
