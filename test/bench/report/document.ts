const begin = (part: string): string => `<!-- bench:${part} -->`;
const end = (part: string): string => `<!-- /bench:${part} -->`;

/**
 * Replaces the lines between a part's two marks.
 * @throws Error if the document has no such marks
 */
export function withSection(document: string, part: string, lines: readonly string[]): string {
  const from = document.indexOf(begin(part));
  const to = document.indexOf(end(part));
  if (from < 0 || to < from) {
    throw new Error(`The document has no section ${begin(part)} … ${end(part)}.`);
  }
  const head = document.slice(0, from + begin(part).length);
  return `${head}\n\n${asMarkdown(lines).join('\n')}\n\n${document.slice(to)}`;
}

/** Printed lines as Markdown: tables stay, every other line becomes a list item. */
function asMarkdown(lines: readonly string[]): string[] {
  const text: string[] = [];
  let before: 'table' | 'item' | null = null;
  for (const line of lines) {
    if (line.trim() === '') continue;
    const kind = line.startsWith('|') ? 'table' : 'item';
    // Between two tables an empty line is needed, as after text.
    const isHead = kind === 'table' && lines[lines.indexOf(line) + 1]?.startsWith('| ---') === true;
    if (before !== null && (kind !== before || isHead)) text.push('');
    text.push(kind === 'table' ? line : `- ${line}`);
    before = kind;
  }
  return text;
}
