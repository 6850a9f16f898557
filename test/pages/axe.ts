import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

export interface AxeFault {
  readonly id: string;
  readonly impact: string | null;
  readonly nodes: readonly { readonly target: readonly string[] }[];
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Waits for transitions to end: halfway through, colours are paler than they will be. */
const STILL = `Promise.all(document.getAnimations()
  .filter(({ effect }) => effect?.getComputedTiming().endTime !== Infinity)
  .map(({ finished }) => finished.catch(() => undefined)))`;

/** Rules whose faults are never serious, which are a tenth of the work. */
const NOT_SERIOUS = `axe._audit.rules.filter(({ impact }) => /minor|moderate/.test(impact))`;

/** The only rules that a change of theme alone can break. */
const OF_COLOURS = ['color-contrast', 'link-in-text-block'];

/**
 * What keeps people who cannot see or use a pointer from using the page as it is now.
 * @param exclude selectors of what is not ours
 * @param what `colours` if the same document was checked in another theme
 */
export async function seriousFaults(
  page: Page,
  exclude: readonly string[] = [],
  what: 'all' | 'colours' = 'all',
): Promise<readonly AxeFault[]> {
  if (!(await page.evaluate<boolean>(`'axe' in window`))) await page.evaluate(AXE);
  const rules =
    what === 'colours'
      ? `{ runOnly: ${JSON.stringify(OF_COLOURS)} }`
      : `{ rules: Object.fromEntries(${NOT_SERIOUS}.map(({ id }) => [id, { enabled: false }])) }`;
  // Style sheets and films are not fetched again: no rule that can be broken here reads them.
  const violations = await page.evaluate<readonly AxeFault[]>(`(async () => {
    await ${STILL};
    const options = { resultTypes: ['violations'], preload: false, ...${rules} };
    return (await axe.run({ exclude: ${JSON.stringify(exclude)} }, options)).violations;
  })()`);
  return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
}
