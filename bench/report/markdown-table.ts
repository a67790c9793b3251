/** A table of Markdown whose columns are as wide as what stands in them: `head` has a cell for each column, as each row has. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows];
  const widths = head.map((_, i) => Math.max(...lines.map((cells) => cells[i]!.length)));
  return lines
    .map((cells, row) => {
      const padded = cells.map((each, i) => each.padEnd(widths[i]!, row === 1 ? '-' : ' '));
      return `| ${padded.join(' | ')} |`;
    })
    .join('\n');
}
