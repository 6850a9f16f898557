const DAY_MS = 86_400_000;
const DAYS = 7;
const WEEKS = 4;
/** As {@link nightName} gives them. Nothing else is ever taken away. */
const NIGHT = /^balupi-night-(\d{4}-\d{2}-\d{2})T\d{2}-\d{2}-\d{2}Z\.backup$/;

/** The name of a nightly backup: a name of its own, so that none made by hand is counted among them. */
export function nightName(atMs: number): string {
  const time = new Date(atMs).toISOString().slice(0, 19).replaceAll(':', '-');
  return `balupi-night-${time}Z.backup`;
}

export function isNightName(name: string): boolean {
  return NIGHT.test(name);
}

/**
 * Which nightly backups are not needed any more: the newest of each of the last seven days that have
 * one stay, and the newest of each of the last four weeks (from Monday) that have one.
 * @param names of all that lies there; others than nightly backups are passed over
 * @param newest stays in any case, though the clock may have been wrong when it was named
 */
export function outlived(names: readonly string[], newest: string): readonly string[] {
  const nights = names.filter(isNightName).sort().reverse();
  const kept = new Set([newest]);
  const days = new Set<string>();
  const weeks = new Set<number>();
  for (const name of nights) {
    const [, day = ''] = NIGHT.exec(name) ?? [];
    const week = mondayOf(day);
    if (!days.has(day) && days.size < DAYS) kept.add(name);
    if (!weeks.has(week) && weeks.size < WEEKS) kept.add(name);
    days.add(day);
    weeks.add(week);
  }
  return nights.filter((name) => !kept.has(name));
}

/** Days since 1970-01-01, a Thursday, of the Monday before or on a day. */
function mondayOf(day: string): number {
  const days = Math.floor(Date.parse(`${day}T00:00:00Z`) / DAY_MS);
  return days - ((days + 3) % 7);
}
