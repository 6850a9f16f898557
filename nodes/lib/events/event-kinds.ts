/** Everything that can be chosen in the node, in the order of its dialog. */
export const EVENT_KINDS = [
  'upload_accepted',
  'upload_delivered',
  'upload_failed',
  'conflict',
  'nas_awake',
  'nas_asleep',
  'nas_goodbye',
  'wake_failed',
  'plug_lost',
  'plug_back',
  'plug_switched',
  'unusual',
  'disk',
  'update_ready',
  'correction',
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];
