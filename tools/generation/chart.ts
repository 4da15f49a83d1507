/** Bars from left to right, one row a token: grey is what the model says, blue is what a token is drawn from. */

export interface Row {
  readonly name: string;
  /** Probabilities. */
  readonly before: number;
  readonly after: number;
}

const [WIDTH, ROW, TOP, LEFT, RIGHT] = [480, 20, 30, 104, 58] as const;
const ROOM = WIDTH - LEFT - RIGHT;

/** Colours that stand out from white and from black alike: a picture in a page does not know the page's own scheme. */
const style = `text{font:12px system-ui,sans-serif;fill:#6e7781}.title{font:600 13px ui-monospace,monospace}
.before{fill:#8b949e;opacity:.5}.after{fill:#2f81f7}.none{opacity:.6}`;

export function barChart(title: string, rows: readonly Row[]): string {
  const height = TOP + rows.length * ROW + 6;
  const longest = Math.max(...rows.flatMap(({ before, after }) => [before, after]));
  const bars = rows.map((row, i) => bar(row, { y: TOP + i * ROW, scale: ROOM / longest }));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">
<title>${escaped(title)}</title><style>${style}</style>
<text class="title" x="4" y="17">${escaped(title)}</text>
${bars.join('\n')}
</svg>
`;
}

function bar({ name, before, after }: Row, { y, scale }: { readonly y: number; readonly scale: number }): string {
  const width = (share: number): string => (share * scale).toFixed(1);
  const shade = after === 0 ? ' class="none"' : '';
  return [
    `<text${shade} x="${LEFT - 8}" y="${y + 14}" text-anchor="end">${escaped(name)}</text>`,
    `<rect class="before" x="${LEFT}" y="${y + 3}" width="${width(before)}" height="14"/>`,
    `<rect class="after" x="${LEFT}" y="${y + 6}" width="${width(after)}" height="8"/>`,
    `<text${shade} x="${WIDTH - 4}" y="${y + 14}" text-anchor="end">${percent(after)}</text>`,
  ].join('');
}

const percent = (share: number): string => (share === 0 ? '–' : `${(100 * share).toFixed(1)} %`);

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
