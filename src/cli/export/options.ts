/** How an adapter is folded into its base, and how far it may move the scores. */
export const mergeOptions = {
  base: {
    type: 'string',
    value: 'WHICH',
    help: 'dequantised: the weights it was trained over (left out); original: those of the file, where these were rounded',
  },
  data: {
    type: 'string',
    value: 'FILE',
    multiple: true,
    help: "labelled file to compare on; left out, the run's own test or validation data",
  },
  'max-drift': {
    type: 'number',
    value: 'SHARE',
    help: 'how far scores may move, as a share of the largest, whatever becomes of the answers; left out, as far as rounding explains',
  },
} as const;
