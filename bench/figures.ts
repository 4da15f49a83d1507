/** The figures of a side: how they are called, which way is better, and how they are shown. */
interface Figure {
  readonly title: string;
  readonly better: 'more' | 'less';
  readonly digits: number;
  /** What stands in the last line: Attune's figure divided by the other's, or less it. */
  readonly compare: 'ratio' | 'difference';
  readonly divisor?: number;
}

const more = { better: 'more', compare: 'ratio' } as const;
const less = { better: 'less', compare: 'ratio' } as const;

export const figures = {
  examples_per_second: { title: 'examples/s', digits: 1, ...more },
  later_examples_per_second: { title: 'examples/s after epoch 1', digits: 1, ...more },
  step_ms: { title: 'step, ms', digits: 1, ...less },
  tokens_per_second: { title: 'tokens/s', digits: 0, ...more },
  gflops: { title: 'GFLOPS', digits: 1, ...more },
  whole_gflops: { title: 'GFLOPS, all of the last layer counted', digits: 1, ...more },
  first_step_seconds: { title: 'first step after, s', digits: 2, ...less },
  update_ms: { title: 'update, ms', digits: 2, ...less },
  installed_bytes: { title: 'installed, MB', digits: 1, divisor: 1e6, ...less },
  peak_bytes: { title: 'peak memory, MB', digits: 0, divisor: 1e6, ...less },
  accuracy: { title: 'accuracy', digits: 4, better: 'more', compare: 'difference' },
  whole_seconds: { title: 'whole process, s', digits: 1, ...less },
} as const satisfies Record<string, Figure>;

export type FigureName = keyof typeof figures;
export type Figures = Partial<Record<FigureName, number>>;

export const figureNames = Object.keys(figures) as FigureName[];

export function shownFigure(name: FigureName, value: number | undefined): string {
  if (value === undefined) return '–';
  const { digits, divisor = 1 }: Figure = figures[name];
  return (value / divisor).toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Attune's figure against another's: `1.79×`, or `+0.0045`. */
export function compared(name: FigureName, ours: number | undefined, other: number | undefined): string {
  if (ours === undefined || other === undefined) return '–';
  const { compare, digits }: Figure = figures[name];
  if (compare === 'ratio') return `${(ours / other).toFixed(2)}×`;
  const difference = ours - other;
  return `${difference < 0 ? '−' : '+'}${Math.abs(difference).toFixed(digits)}`;
}

export const isBetter = (name: FigureName, value: number, than: number): boolean =>
  figures[name].better === 'more' ? value > than : value < than;
