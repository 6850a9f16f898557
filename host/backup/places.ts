/** Where in a backup things lie: as in the data folder. */
export const QUEUE = 'queue';
export const FLOWS = 'flows';
export const NODE_RED = 'node-red';
export const SETTINGS = 'settings.json';
export const KEY = 'secret.key';
/** Sealed under the first, the second; the one is nothing without the other. */
export const NODE_RED_FILES = ['credential.key', 'flows_cred.json'] as const;
/** Settings that a backup without a passphrase leaves out. */
export const SECRET_SETTING = /KEY|PASSWORD|SECRET|USERNAME/;
/** Inside the data folder: what waits to be taken to the NAS. No part of any backup. */
export const NAS_STAGING = 'backup-for-nas';
/** Its folder in the home of BACKUP_USER. */
export const NAS_FOLDER = 'BaluPi backups';
