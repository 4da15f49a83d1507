import cliProgress, { type GenericBar, type Options, type Params } from 'cli-progress';
import { bytes, count, duration, rate, score } from './figures.ts';

export interface TrainingState {
  /** Optimizer steps done. */
  readonly step: number;
  readonly loss?: number;
  readonly learningRate?: number;
  readonly tokensPerSecond?: number;
  readonly memoryBytes?: number;
}

/** Shows how a training run goes. Whoever opens it stops it, else the program does not end. */
export interface TrainingProgress {
  update(state: TrainingState): void;
  evaluation(step: number, metrics: Readonly<Record<string, number>>): void;
  /** A line of text that stays, above the bar where there is one. */
  line(text: string): void;
  stop(): void;
}

export type ProgressStream = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

export interface ProgressSetup {
  readonly stream: ProgressStream;
  readonly totalSteps: number;
  /** Above 0 when a run is resumed. */
  readonly firstStep?: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

const lineEveryMs = 10_000;
const drawEveryMs = 200;

export function openProgress(setup: ProgressSetup): TrainingProgress {
  const describe = describer(setup);
  const progress = setup.stream.isTTY ? openBar(setup, describe) : openLines(setup, describe);
  return {
    ...progress,
    evaluation: (step, metrics) => {
      const figures = Object.entries(metrics).map(([name, value]) => `${name} ${score(value)}`);
      progress.line([`step ${step}: validation`, ...figures].join('  '));
    },
  };
}

type Describe = (state: TrainingState) => string;
type Shown = Omit<TrainingProgress, 'evaluation'>;

/** The time left is told from the second update on: the first step also pays for starting up. */
function describer({ totalSteps, now = () => performance.now() }: ProgressSetup): Describe {
  let first: { step: number; at: number } | undefined;
  return (state) => {
    first ??= { step: state.step, at: now() };
    const done = state.step - first.step;
    const left = done > 0 ? ((now() - first.at) / 1000 / done) * (totalSteps - state.step) : undefined;
    const { loss, learningRate, tokensPerSecond, memoryBytes } = state;
    const figures = [
      `${state.step}/${totalSteps}`,
      loss !== undefined && `loss ${score(loss)}`,
      learningRate !== undefined && `lr ${rate(learningRate)}`,
      tokensPerSecond !== undefined && `${count(tokensPerSecond)} tokens/s`,
      memoryBytes !== undefined && bytes(memoryBytes),
      left !== undefined && state.step < totalSteps && `${duration(left)} left`,
    ];
    return figures.filter((figure) => figure !== false).join('  ');
  };
}

function openBar(
  { stream, totalSteps, firstStep = 0, now = () => performance.now() }: ProgressSetup,
  describe: Describe,
): Shown {
  const format = (options: Options, { progress }: Params, { text }: { text: string }) =>
    `${cliProgress.Format.BarFormat(progress, options)} ${String(Math.floor(progress * 100)).padStart(3)}%  ${text}`;
  // Lines are cut to the terminal and the cursor stays visible, so that a second Ctrl-C leaves nothing to restore.
  const bars = new cliProgress.MultiBar({
    stream,
    format,
    barsize: Math.max(8, Math.min(24, (stream.columns ?? 80) - 70)),
    barCompleteChar: '█',
    barIncompleteChar: '░',
    linewrap: true,
    fps: 1000 / drawEveryMs,
    gracefulExit: false,
  });
  const bar: GenericBar = bars.create(totalSteps, firstStep, { text: `${firstStep}/${totalSteps}` });
  let drawnAt = now();
  return {
    update(state) {
      bar.update(state.step, { text: describe(state) });
      // The bar's own timer does not come to its turn while steps follow each other without a pause.
      if (now() - drawnAt < drawEveryMs) return;
      bars.update();
      drawnAt = now();
    },
    line(text) {
      bars.log(`${text}\n`);
      bars.update();
      bar.render(true);
    },
    stop: () => bars.stop(),
  };
}

/** For files and pipes: a line now and then. */
function openLines({ stream, now = () => performance.now() }: ProgressSetup, describe: Describe): Shown {
  let printedAt = Number.NEGATIVE_INFINITY;
  let unprinted: string | undefined;
  const line = (text: string) => {
    stream.write(`${text}\n`);
  };
  return {
    update(state) {
      unprinted = `step ${describe(state)}`;
      if (now() - printedAt < lineEveryMs) return;
      line(unprinted);
      printedAt = now();
      unprinted = undefined;
    },
    line,
    stop() {
      if (unprinted !== undefined) line(unprinted);
      unprinted = undefined;
    },
  };
}
