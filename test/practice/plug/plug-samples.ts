import { existsSync, readFileSync } from 'node:fs';

type Json = Readonly<Record<string, unknown>>;

/** The recorded answers of one plug, method by method. */
export interface PlugSampleSet {
  readonly discovery: Json;
  readonly methods: ReadonlyMap<string, Json>;
}

let samples: Readonly<Record<string, Readonly<Record<string, Json>>>> | null = null;

/**
 * @param name such as `P110M(EU)_1.0_1.2.3`: model, hardware, firmware
 * @throws Error for a plug that was not recorded
 */
export function plugSample(name: string): PlugSampleSet {
  samples ??= JSON.parse(readFileSync(findSamples(), 'utf8')) as NonNullable<typeof samples>;
  const sample = samples[name];
  if (sample === undefined) throw new Error(`No plug ${name} was recorded.`);
  const { discovery_result: discovery, ...methods } = sample;
  return {
    discovery: (discovery?.['result'] ?? {}) as Json,
    methods: new Map(Object.entries(methods)),
  };
}

/** The fixtures are next to the sources, also when this runs from the build folder. */
function findSamples(): URL {
  const here = new URL('../../fixtures/tapo-samples.json', import.meta.url);
  const source = new URL('../../../../test/fixtures/tapo-samples.json', import.meta.url);
  return existsSync(here) ? here : source;
}
