/** What every session of ONNX Runtime is told, by the names of its settings. */
export const entries: readonly (readonly [name: string, value: string])[] = [
  // To wake a thread takes longer than many an operation, so they wait awake for the next one of a run: briefly, for the
  // processor may have other work (docs/log.md has both figures).
  ['session.intra_op.allow_spinning', '1'],
  ['session.intra_op.spin_duration_us', '50'],
  ['session.force_spinning_stop', '1'],
];
