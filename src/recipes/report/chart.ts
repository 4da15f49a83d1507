/** A line chart as inline SVG: axes with round numbers, titles, marks that tell their value when pointed at. */
import { type Html, html } from './html.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Series {
  readonly name: string;
  /** A colour of the page's style: `plain` or `strong`. */
  readonly tone: 'plain' | 'strong';
  /** A dot on each point: for few of them, each a measurement of its own. */
  readonly dots: boolean;
  readonly points: readonly Point[];
}

export interface Chart {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly height: number;
  readonly series: readonly Series[];
  /** A place on the x axis that is pointed out. */
  readonly mark?: { readonly x: number; readonly text: string } | undefined;
}

const WIDTH = 920;
const margin = { top: 22, right: 18, bottom: 44, left: 62 };

interface Axis {
  readonly ticks: readonly number[];
  /** A value to its place in the picture. */
  readonly place: (value: number) => number;
}

export function lineChart(chart: Chart): Html {
  const { title, height, series, mark } = chart;
  const points = series.flatMap((one) => one.points);
  const bottom = height - margin.bottom;
  const steps = { count: 8, least: 1 };
  const x = exactAxis([0, ...points.map((point) => point.x)], {
    from: margin.left,
    to: WIDTH - margin.right,
    ...steps,
  });
  const values = withZero(points.map((point) => point.y));
  const y = axis(values, { from: bottom, to: margin.top, count: height > 220 ? 5 : 3, least: 0 });
  return html`<figure class="chart">
<figcaption><b>${title}</b>${series.length > 1 ? legend(series) : ''}</figcaption>
<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}">
${y.ticks.map((tick) => gridLine(tick, y))}
${x.ticks.map((tick) => html`<text class="tick middle" x="${at(x, tick)}" y="${bottom + 18}">${shown(tick, x)}</text>`)}
<line class="axis" x1="${margin.left}" x2="${WIDTH - margin.right}" y1="${bottom}" y2="${bottom}"/>
<text class="title middle" x="${(margin.left + WIDTH - margin.right) / 2}" y="${height - 6}">${chart.xTitle}</text>
<text class="title middle" transform="translate(14 ${(margin.top + bottom) / 2}) rotate(-90)">${chart.yTitle}</text>
${mark && markLine(mark, x, bottom)}
${series.map((one) => drawn(one, x, y))}
</svg>
</figure>`;
}

const legend = (series: readonly Series[]): Html =>
  html`<span class="legend">${series.map(({ name, tone }) => html`<span><i class="${tone}"></i>${name}</span>`)}</span>`;

const gridLine = (tick: number, y: Axis): Html =>
  html`<line class="grid" x1="${margin.left}" x2="${WIDTH - margin.right}" y1="${at(y, tick)}" y2="${at(y, tick)}"/>
<text class="tick end" x="${margin.left - 8}" y="${at(y, tick)}" dy=".32em">${shown(tick, y, FITS)}</text>`;

function markLine({ x: value, text }: NonNullable<Chart['mark']>, x: Axis, bottom: number): Html {
  const place = x.place(value);
  const side = place > WIDTH * 0.8 ? { by: -6, name: 'end' } : { by: 6, name: 'start' };
  return html`<line class="mark" x1="${round(place)}" x2="${round(place)}" y1="${margin.top - 6}" y2="${bottom}"/>
<text class="note ${side.name}" x="${round(place + side.by)}" y="${margin.top + 2}">${text}</text>`;
}

function drawn({ name, tone, dots, points }: Series, x: Axis, y: Axis): Html {
  const line = thinned(points).map((point) => `${at(x, point.x)},${at(y, point.y)}`);
  const dotted = dots || points.length === 1 ? points : [];
  const dot = (point: Point): Html =>
    html`<circle class="${tone}" cx="${at(x, point.x)}" cy="${at(y, point.y)}" r="3.5"><title>${told(point)}</title></circle>`;
  const told = (point: Point): string => `${name}: ${Number(point.y.toPrecision(4))} at ${point.x}`;
  return html`<polyline class="${tone}" points="${line.join(' ')}"/>${dotted.map(dot)}`;
}

const MOST_POINTS = 600;

/** Means of neighbours where there are more points than a line can show. */
function thinned(points: readonly Point[]): readonly Point[] {
  const size = Math.ceil(points.length / MOST_POINTS);
  if (size <= 1) return points;
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const group = points.slice(i * size, (i + 1) * size);
    return { x: mean(group.map(({ x }) => x)), y: mean(group.map(({ y }) => y)) };
  });
}

/** Zero belongs to the axis, unless it would flatten what happens far above it. */
function withZero(values: readonly number[]): number[] {
  const [low, high] = extent(values);
  return low > 0 && low > high * 0.6 ? [...values] : [...values, 0];
}

/** A loop: a long run has more points than a call takes arguments. */
function extent(values: readonly number[]): [low: number, high: number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return [low, high];
}

interface Place {
  readonly from: number;
  readonly to: number;
  /** About how many ticks, and how far they are apart at least. */
  readonly count: number;
  readonly least: number;
}

/** Round numbers around a range: steps of 1, 2 or 5 times a power of ten. */
function axis(values: readonly number[], { from, to, count, least }: Place): Axis {
  const [low, high] = extent(values);
  const raw = Math.max(least, (high - low || Math.abs(high) || 1) / count);
  const power = 10 ** Math.floor(Math.log10(raw) + 1e-9);
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw * 0.999)!;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9));
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  return { ticks, place: (value) => from + ((value / step - first) / (last - first)) * (to - from) };
}

/** The same, but it ends where the values end. */
function exactAxis(values: readonly number[], place: Place): Axis {
  const { ticks } = axis(values, place);
  const low = ticks[0]!;
  const [, end] = extent(values);
  const high = end > low ? end : ticks.at(-1)!;
  return {
    ticks: ticks.filter((tick) => tick <= high),
    place: (value) => place.from + ((value - low) / (high - low)) * (place.to - place.from),
  };
}

/** Left of the axis there is room for numbers below this one; a loss that diverges goes far beyond. */
const FITS = 1e6;

/** All ticks of an axis in one notation. */
function shown(tick: number, { ticks }: Axis, fits = Number.POSITIVE_INFINITY): string {
  if (tick === 0) return '0';
  const largest = Math.max(...ticks.map(Math.abs));
  if (largest < 0.01 || largest >= fits) return Number(tick.toPrecision(3)).toExponential().replace('+', '');
  const step = ticks.length > 1 ? ticks[1]! - ticks[0]! : 1;
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return tick.toLocaleString('en-US', { maximumFractionDigits: decimals });
}

const round = (value: number): number => Math.round(value * 10) / 10;
const at = (one: Axis, value: number): number => round(one.place(value));
