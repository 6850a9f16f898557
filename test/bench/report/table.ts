/** A table as Markdown, aligned so that it can be read on a terminal as well. */
export class Table {
  readonly #head: readonly string[];
  readonly #rows: (readonly string[])[] = [];

  constructor(...head: string[]) {
    this.#head = head;
  }

  add(...cells: string[]): void {
    if (cells.length !== this.#head.length) {
      throw new Error(`A row of ${cells.length} cells in a table of ${this.#head.length} columns.`);
    }
    this.#rows.push(cells.map((cell) => cell.replaceAll('|', '\\|')));
  }

  lines(): string[] {
    const widths = this.#head.map((cell, column) =>
      Math.max(3, cell.length, ...this.#rows.map((row) => row[column]?.length ?? 0)),
    );
    const line = (cells: readonly string[]): string =>
      `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
    const rule = widths.map((width) => '-'.repeat(width));
    return [line(this.#head), line(rule), ...this.#rows.map(line)];
  }
}

/** A number with about three significant digits. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US').replaceAll(',', ' ');
  if (Math.abs(value) >= 10) return value.toFixed(1);
  return value.toFixed(Math.abs(value) >= 1 ? 2 : 3);
}
