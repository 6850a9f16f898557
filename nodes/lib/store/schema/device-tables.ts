/**
 * Whose a device is, as the NAS said when it was paired or registered: BaluHost lets any user read
 * another's device (measured on 1.38), so the Pi has to know.
 */
export const DEVICE_TABLES = `
CREATE TABLE known_devices (
  device_id TEXT PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users (id),
  learnt_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX known_devices_by_user ON known_devices (user_id, learnt_at_ms);
`;
