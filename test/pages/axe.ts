import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

/** What axe-core found wrong, and how bad it is for somebody. */
export interface AxeFault {
  readonly id: string;
  readonly impact: string | null;
  readonly nodes: readonly { readonly target: readonly string[] }[];
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What appears has appeared: in the midst of that, colours are others and pale. */
const STILL = `Promise.all(document.getAnimations()
  .filter(({ effect }) => effect?.getComputedTiming().endTime !== Infinity)
  .map(({ finished }) => finished.catch(() => undefined)))`;

/** Style sheets and films are not fetched again: no rule that can be broken here reads them. */
const OPTIONS = { resultTypes: ['violations'], preload: false };

/**
 * What keeps people who cannot see or point from using a page as it is now.
 *
 * @param exclude selectors of what is not ours
 */
export async function seriousFaults(
  page: Page,
  exclude: readonly string[] = [],
): Promise<readonly AxeFault[]> {
  if (!(await page.evaluate<boolean>(`'axe' in window`))) await page.evaluate(AXE);
  const violations = await page.evaluate<readonly AxeFault[]>(`(async () => {
    await ${STILL};
    const context = ${JSON.stringify({ exclude })};
    return (await axe.run(context, ${JSON.stringify(OPTIONS)})).violations;
  })()`);
  return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
}
