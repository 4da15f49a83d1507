/** Every workload, by the name that `--only` takes. */
import type { Workload } from '../workload.ts';
import { decoderWorkloads } from './decoder.ts';
import { disk } from './disk.ts';
import { optimizer } from './optimizer.ts';
import { sst2Workloads } from './sst2.ts';
import { startup } from './startup.ts';
import { stepWorkloads } from './step.ts';

export const workloads: Readonly<Record<string, Workload>> = {
  ...sst2Workloads,
  ...stepWorkloads,
  ...decoderWorkloads,
  startup,
  disk,
  optimizer,
};
