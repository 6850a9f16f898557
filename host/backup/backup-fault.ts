const WORDS = {
  strange: 'This is no backup of BaluPi, or one of a newer BaluPi.',
  cut: 'The backup ends too early: it is not whole.',
  damaged: 'The backup is damaged: what it holds is not what was written.',
  sealed: 'The backup is sealed: name its passphrase in BALUPI_BACKUP_PASSPHRASE_FILE.',
  passphrase: 'The passphrase is another one, or the backup is damaged.',
} as const;

/** What is wrong with a backup, in words for whoever makes it or puts it back. */
export class BackupFault extends Error {
  override readonly name = 'BackupFault';

  constructor(kind: keyof typeof WORDS, cause?: unknown) {
    super(WORDS[kind], { cause });
  }
}
