import type { Plug, PlugHour } from './plug.ts';

/** The most a plug tells at once is eight days; a week keeps clear of the border. */
const PAGE_S = 7 * 86_400;
/** A plug keeps about a month of hours; more pages would ask for what is not there. */
const MOST_PAGES = 6;

/**
 * Asks a plug for its own hours, page by page.
 * @param fromS a local midnight, epoch seconds
 * @returns null when it offers none or does not answer; the newest pages when there are too many
 */
export async function tellHours(
  plug: Plug,
  fromS: number,
  toS: number,
  signal: AbortSignal,
): Promise<readonly PlugHour[] | null> {
  const hours: PlugHour[] = [];
  const pages = Math.ceil((toS - fromS) / PAGE_S);
  for (let page = Math.max(0, pages - MOST_PAGES); page < pages; page += 1) {
    const pageS = fromS + page * PAGE_S;
    const outcome = await plug.hours(pageS, Math.min(toS, pageS + PAGE_S), signal);
    if (outcome.kind !== 'hours') return null;
    hours.push(...outcome.hours);
  }
  return hours;
}
