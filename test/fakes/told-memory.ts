import { readFileSync } from 'node:fs';

/**
 * Loaded before BaluPi: its resident memory is what a file says, in bytes, so that a test can make it
 * short of memory and rich again.
 */
const file = process.env['TOLD_MEMORY_FILE'] ?? '';

process.memoryUsage.rss = () => Number(readFileSync(file, 'utf8'));
