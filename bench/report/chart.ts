/** Bar charts as SVG, drawn by hand: no script, nothing loaded. Colours come from the page, by class. */

export interface Bar {
  readonly label: string;
  /** The classes of its segments decide their colours. */
  readonly segments: readonly { readonly value: number; readonly class: string; readonly title: string }[];
  /** How far the rounds went apart: a line over the end of the bar. */
  readonly range?: { readonly low: number; readonly high: number };
  /** Behind it. */
  readonly text: string;
}

const LABELS = 210;
const BARS = 380;
const TEXTS = 150;
const WIDTH = LABELS + BARS + TEXTS;
const ROW = 26;
const THICK = 16;

/** Bars from the left, one below the other, from 0. `title` is what a reader who cannot see it is told. */
export function barChart(title: string, bars: readonly Bar[]): string {
  const length = (bar: Bar) => bar.segments.reduce((sum, { value }) => sum + value, 0);
  const most = Math.max(...bars.map((bar) => Math.max(length(bar), bar.range?.high ?? 0)), Number.MIN_VALUE);
  const x = (value: number) => round(LABELS + (value / most) * BARS);
  const rows = bars.map((bar, i) => {
    const y = i * ROW;
    const middle = y + ROW / 2;
    let from = 0;
    const segments = bar.segments.map((segment) => {
      const left = x(from);
      from += segment.value;
      const width = Math.max(round(x(from) - left), 0.5);
      return `<rect class="${segment.class}" x="${left}" y="${middle - THICK / 2}" width="${width}" height="${THICK}"><title>${escaped(segment.title)}</title></rect>`;
    });
    const range = bar.range
      ? `<path class="range" d="M${x(bar.range.low)} ${middle}H${x(bar.range.high)}M${x(bar.range.low)} ${middle - 4}v8M${x(bar.range.high)} ${middle - 4}v8"/>`
      : '';
    const end = Math.max(x(from), bar.range ? x(bar.range.high) : 0) + 8;
    return [
      `<text class="label" x="${LABELS - 10}" y="${middle}">${escaped(bar.label)}</text>`,
      ...segments,
      range,
      `<text class="value" x="${end}" y="${middle}">${escaped(bar.text)}</text>`,
    ].join('');
  });
  const height = bars.length * ROW;
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}"><path class="axis" d="M${LABELS} 0V${height}"/>${rows.join('')}</svg>`;
}

export function escaped(text: string): string {
  return text.replace(
    /[&<>"]/g,
    (character) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[character]!,
  );
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
