/** What this package is called in tables. */
export const OURS = 'nestjs-token-bucket';

/** Prints rows as a Markdown table with aligned columns: it reads well on a terminal and can be pasted into a page. */
export function printTable(title, header, rows) {
  const table = [header, ...rows].map((row) => row.map(String));
  const widths = header.map((_, column) => Math.max(...table.map((row) => row[column].length)));
  const line = (row) =>
    `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  console.log(`\n${title}\n\n${[line(table[0]), rule, ...table.slice(1).map(line)].join('\n')}`);
}

export const thousands = (value) => Math.round(value).toLocaleString('en').replaceAll(',', ' ');

/** A header line that tells what a figure was measured on. */
export function machine(os) {
  return `Node ${process.version}, ${os.cpus().length} × ${os.cpus()[0]?.model ?? 'unknown CPU'}, ${os.platform()} ${os.arch()}`;
}
