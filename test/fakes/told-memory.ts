import { readFileSync } from 'node:fs';

/**
 * Loaded before BaluPi: its resident memory, in bytes, is what a file says, so that a test can make
 * memory short and plentiful again.
 */
const file = process.env['TOLD_MEMORY_FILE'] ?? '';

process.memoryUsage.rss = () => Number(readFileSync(file, 'utf8'));
