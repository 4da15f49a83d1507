/** A whole page: it needs nothing outside itself, and may load nothing. */
import { type Html, html } from './html.ts';
import { style as common } from './style.ts';

const policy = "default-src 'none'; style-src 'unsafe-inline'";

export interface Framed {
  readonly title: string;
  /** Rules of this kind of page. */
  readonly style?: string;
  readonly sections: readonly (Html | undefined)[];
}

export function framed({ title, style = '', sections }: Framed): string {
  const whole = html`<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${title} · Attune</title><style>${{ markup: common + style }}</style></head>
<body><main>${sections}
</main></body></html>`;
  return `<!doctype html>\n${whole.markup}\n`;
}
