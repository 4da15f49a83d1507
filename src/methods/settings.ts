import type { z } from 'zod';
import { fullDefaults, fullSettings } from './full.settings.ts';

export interface MethodSettings {
  /** The keys under `method` when its `name` is this one. */
  readonly settings: z.ZodObject;
  /** What `auto` means for the training settings that depend on the method. */
  readonly defaults: { readonly learning_rate: number };
}

/** A recipe offers the methods of this table and no other: a new method adds its line here. */
export const methodSettings = {
  full: { settings: fullSettings, defaults: fullDefaults },
} satisfies Record<string, MethodSettings>;
