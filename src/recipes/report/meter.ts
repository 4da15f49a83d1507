import { type Html, html } from './html.ts';

/** A small bar behind a figure, for a share from 0 to 1. */
export const meter = (share: number): Html => html`<i class="meter" style="--share:${share.toFixed(3)}"></i>`;
