import type { BenchOptions } from './options.ts';
import { benchAccuracy, benchDurability } from './energy/accuracy.ts';
import { benchFaults } from './energy/faults.ts';
import { benchAge, benchRound } from './energy/round.ts';
import { benchBytes, benchStorage, benchYear } from './energy/storage.ts';
import { Goals } from './report/goals.ts';

const KILLED_RUNS = 5;

/** Accuracy on random worlds, and speed on a database of 20 plugs. */
export async function benchEnergy(
  print: (line: string) => void,
  options: Pick<BenchOptions, 'seed' | 'worlds'>,
): Promise<void> {
  const { seed, worlds } = options;
  const goals = new Goals();
  print(`worlds from seed ${seed} on (--seed ${seed} --worlds ${worlds} runs them again)`);
  await benchAccuracy(print, goals, seed, worlds);
  benchFaults(print, goals);
  benchDurability(goals, seed, KILLED_RUNS);
  await benchAge(goals);
  await benchRound(print, goals);
  benchBytes(print, goals);
  await benchStorage(print, goals);
  await benchYear(print, goals);
  for (const line of goals.lines()) print(line);
}
