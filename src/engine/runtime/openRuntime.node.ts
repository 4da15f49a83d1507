import { AttuneError } from '../../errors/index.ts';
import { openBindingRuntime } from './bindingRuntime.node.ts';
import { openNativeRuntime } from './nativeRuntime.node.ts';
import type { Runtime } from './session.ts';

/** The best way to ONNX Runtime on this machine: its C interface, else onnxruntime-node's binding. */
export async function openRuntime(): Promise<Runtime> {
  const failures: string[] = [];
  for (const open of [openNativeRuntime, openBindingRuntime]) {
    try {
      return await open();
    } catch (failure) {
      failures.push((failure as Error).message.split('\n')[0]!);
    }
  }
  throw new AttuneError({
    code: 'RUNTIME_FAILED',
    where: `ONNX Runtime on ${process.platform} ${process.arch}`,
    problem: failures.join('; '),
    fix: 'install again with `npm ci`, on Linux or Windows (x64, arm64) or macOS (arm64)',
  });
}
