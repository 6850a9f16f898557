/**
 * What a field of that name means wherever it stands and says nothing else itself: one name has one
 * meaning in the API (contract 1). Published with the schemas; nothing is checked by it.
 */
export const GLOSSARY: Readonly<Record<string, string>> = {
  // Who and when
  username: 'Name of a user of the NAS.',
  last_seen: 'When it answered last; null before the first time.',
  since: 'Since when it is so; null where nobody saw it begin.',
  message: 'What was done, in one English sentence.',
  success: 'True: what did not work is a refusal.',
  detail: 'What went wrong, in one English sentence; null where nothing did.',
  hostname: 'Name of the Pi in its network.',

  // Sign-in
  access_token: 'Sent with each call as `Authorization: Bearer …`.',
  refresh_token: 'Gets new access tokens at /api/auth/refresh.',
  token_type: 'bearer.',
  pending_token: 'Of the first step, for the second; a few minutes.',
  device_code: 'What the desktop asks with, again and again.',
  device_name: 'Name of the plug; null for the sum of all plugs.',

  // Files
  path: "A path on the NAS without a leading slash, such as alice/Photos; callers may send one. '' is the root.",
  filename: 'Name of the file, without its folder.',
  size_bytes: 'Size in bytes.',
  sha256: 'SHA-256 of the content, in hex.',
  upload_id: 'Id of the upload.',
  attempts: 'How often it was tried.',
  kept_files: 'How many files of it are kept here.',
  kept_bytes: 'How many bytes of it are kept here.',
  pending_files: 'How many files of it are still to be fetched.',
  pending_bytes: 'How many bytes of it are still to be fetched.',
  left_out_files: 'How many of its files are beyond your share, and so not kept.',

  // Counts of the cache
  hits: 'Reads answered from a kept copy.',
  misses: 'Reads that needed the NAS.',
  hit_bytes: 'Bytes answered from kept copies.',
  miss_bytes: 'Bytes that came from the NAS.',
  hit_rate_percent: 'Share of the reads answered from kept copies; null before the first read.',
  byte_hit_rate_percent: 'The same of bytes.',
  nas_wakes_avoided: 'Times that the NAS could sleep on, as a kept copy answered.',
  prefetched_files: 'Files fetched before anybody asked.',
  prefetched_bytes: 'Bytes fetched before anybody asked.',
  prefetched_used_files: 'Of these, files that somebody then read.',
  prefetched_used_bytes: 'Of these, bytes that somebody then read.',
  removed_files: 'Files that were removed.',
  removed_bytes: 'Bytes that were removed.',

  // Energy
  device_id: 'Id of the plug; null for the sum of all plugs.',
  device_number: 'The plug as a number, for the apps; never given twice.',
  period: 'The calendar day, week (from Monday), month or year in TIMEZONE, up to now.',
  date: 'A calendar day in TIMEZONE.',
  timestamp: 'When it was measured; of a stretch, its begin.',
  power_w: 'Power now in watts; null while it is not known.',
  total_power_w: 'Power of all plugs now in watts; null while none is known.',
  voltage_v: 'Volts; null where the plug does not tell.',
  current_a: 'Amperes; null where the plug does not tell.',
  avg_power_w: 'Mean power in watts; null where nothing was measured.',
  max_power_w: 'Highest power in watts; null where nothing was measured.',
  min_power_w: 'Lowest power in watts; null where nothing was measured.',
  energy_wh: 'Energy used in watt-hours; null where nothing was measured.',
  energy_today_wh: 'Energy used since midnight in TIMEZONE, in watt-hours; null while not known.',
  estimated_wh: 'The part of energy_wh that is estimated, in watt-hours.',
  feed_in_wh: 'Energy fed in through the plug, in watt-hours; no part of energy_wh.',
  cost_cents: 'What it cost, in cents; null where it is not known.',
  covered_seconds: 'Seconds of it that were measured.',
  elapsed_seconds: 'Seconds of it that have passed.',
  estimated: 'True where a part was estimated from the counter of the plug.',
  corrected: 'True where an admin put a part right.',
  quality: 'corrected: an admin put a part right. estimated: a part is. measured: neither.',
  is_online: 'Whether the plug answers.',
  is_stale: 'Whether the values are older than they should be.',
  kwh: 'Energy in kWh.',
  avg_watts: 'Mean power in watts.',
  min_watts: 'Lowest power in watts.',
  max_watts: 'Highest power in watts.',
  watts: 'Power now in watts.',
  sample_count: 'How many values it is made of.',
  is_active: 'False: it counts as if it were not there.',
  base_fee_cents_per_month: 'Fee in cents a month; null: none.',
  slots: 'Prices, one after the other.',
  price_id: 'Number of the tariff.',

  // Plugs
  mac_address: 'Its MAC address; null while it is not known.',
  model: 'What the plug says it is, such as P110; null before it was read.',
  role: 'nas: it feeds the NAS, at most one. monitor: it is metered only. generic: any other.',

  // The NAS
  nas_state: 'From the power of the plug of the NAS; unknown without one.',
  capabilities: 'What it can do.',
  plugin_name: 'The plug-in of BaluHost for such devices: tapo_smart_plug.',
};
