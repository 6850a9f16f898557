import { CacheBench } from './cache-bench.ts';
import { putAll, FILES } from './crash-files.ts';

/** A cache that fetches all files at once, over and over, until it is killed. */
const bench = new CacheBench(process.argv[2]);
bench.maxBytes = 150 * 1024 * 1024;
await bench.start();
putAll(bench.nas);
process.send?.('begun');
for (;;) {
  await bench.clock.advance(10_001);
  await Promise.all(FILES.map(({ path }) => bench.get(path)));
  await bench.cache.drop('');
}
