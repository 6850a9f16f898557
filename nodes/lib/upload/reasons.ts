/**
 * Every reason the queue gives for the state of an upload, a change or a conflict, and for refusing
 * what somebody wants done with one. A `{gap}` takes a value. Rows keep a reason as this English
 * sentence; readers get it in their language from the catalogue, by the same key (`answers`).
 * Once a release has written a sentence it stays as it is, as rows hold it.
 */
export const REASONS = {
  changeBeforeFailed: 'A change that this one builds on was not carried out.',
  changeDone: 'This change is done already.',
  changeRunning: 'This change is being carried out right now.',
  changeSettleFirst: 'Something else was found in its place. Settle that conflict.',
  changeUserGone: 'Its user is gone. Drop it.',
  conflictBeingSettled: 'This conflict is being settled right now.',
  conflictCopyChanging: 'The conflict copy is changing. Try again.',
  conflictCopyGone: 'The conflict copy is not on the NAS any more.',
  conflictCopyIsFolder: 'A folder lies where the conflict copy was.',
  conflictFilesChanging: 'The files of this conflict keep changing.',
  conflictNewVersion: 'A new version came meanwhile. The other one is now {name}.',
  conflictSettled: 'This conflict is settled already.',
  conflictSettledAs: 'This conflict was settled as {resolution}.',
  diskUnreadable: 'The disk cannot be read.',
  fileInTheWay: '{path} is a file, so nothing can be put into it.',
  fileInTheWayOnNas: '{path} is a file on the NAS, so nothing can be put into it.',
  fileIsMissing: 'Its file on the Pi is missing: it is lost.',
  fileIsThere: 'There is a file {path} already.',
  fileLost: 'Its file on the Pi is lost.',
  fileOtherSize: 'Its file on the Pi has another size: it is lost.',
  folderInTheWay: '{path} is a folder, so no file can have its name.',
  folderInTheWayOnNas: '{path} is a folder on the NAS, so no file can be put there.',
  folderIsThere: 'There is a folder {path} already.',
  folderMissing: 'There is no folder {path} to put it into.',
  folderNotTheirs: "{reason} Its folder {path} may not be this user's on the NAS.",
  foundBaseChanged: 'What it was made from changed on the NAS. Try now to deliver it, or drop it.',
  foundBaseGone:
    'What it was made from is not on the NAS any more. Try now to deliver it, or drop it.',
  goneFromNas: 'It is not on the NAS any more.',
  intoItself: '{path} cannot be put into itself.',
  itChangedOnTheNas: 'It changed on the NAS.',
  itIsAFileNow: 'It is a file now.',
  itIsAFolderNow: 'It is a folder now.',
  nameTaken: 'A file of that name lies on the NAS.',
  nasAnswered: 'The NAS answered {status}.',
  nasAnsweredSaying: 'The NAS answered {status}: {reason}.',
  nasBusyStatus: 'The NAS is busy ({status}).',
  nasDidNotMakeIt: 'The NAS did not make it.',
  nasFull: 'The NAS has no room left.',
  nasGaveNoSession: 'The NAS gave no session.',
  nasLostSession: 'The NAS kept no upload session.',
  nasNoStorage: 'The NAS shows nothing of its storage. Is its disk mounted?',
  nasRefused: 'The NAS refused it with {status}.',
  nasRefusedSaying: 'The NAS refused it with {status}: {reason}.',
  nasShowsOther: 'What the NAS shows is not what was sent.',
  nasShowsOtherTimes: 'What the NAS shows is not what was sent. It was sent {count} times.',
  nasUnread: 'The answer of the NAS could not be read ({status}).',
  nasWentAway: 'The NAS went away.',
  notSeenByYou: 'It was not there when you decided.',
  onlyInChunks: 'It can be sent in chunks alone, and the NAS keeps no upload session',
  otherHasName: 'Something else has that name on the NAS.',
  placeBusy: 'An upload to one of these places is on its way. Wait for it.',
  placeKeepsChanging: 'Its place on the NAS keeps changing.',
  placeUnsteady: 'Its place keeps changing. Try again.',
  restOfBytesMissing: '{received} of {total} bytes are here. Send the rest first.',
  restoredChange: 'It was found after a restore. Try now to have it done, or drop it.',
  restoredUpload: 'It was found after a restore. Try now to deliver it, or drop it.',
  somethingWentWrongHere: 'Something went wrong here.',
  tooMuchToCompare: 'There is more in it than BaluPi compares.',
  uploadBeingSent: 'This upload is being sent right now.',
  uploadDelivered: 'This upload is on the NAS already.',
  uploadFileGone: 'The file of this upload is lost.',
  uploadFileLost: 'The file of this upload is lost. Send it again.',
  uploadSettleFirst: 'It is on the NAS next to another version. Settle that conflict first.',
  uploadUserGone: 'Its user is gone. Take it up for a user, or drop it.',
  userGone: 'Its user {username} is gone.',
  waitingForUser: 'Waiting for its user to sign in.',
} as const;

declare const OF_THIS_LIST: unique symbol;

/**
 * One of {@link REASONS} with its gaps filled. A plain string is none, so that no sentence reaches a
 * row without its words in every language.
 */
export type Reason = string & { readonly [OF_THIS_LIST]: true };

type Key = keyof typeof REASONS;
type GapsOf<Text> = Text extends `${string}{${infer Gap}}${infer Rest}`
  ? Gap | GapsOf<Rest>
  : never;
type ValuesOf<Text> = [GapsOf<Text>] extends [never]
  ? []
  : [values: Readonly<Record<GapsOf<Text>, string | number>>];

export function reason<K extends Key>(key: K, ...[values]: ValuesOf<(typeof REASONS)[K]>): Reason {
  const given: Readonly<Record<string, string | number>> = values ?? {};
  return REASONS[key].replace(/\{(\w+)\}/g, (_, gap: string) => String(given[gap])) as Reason;
}

/** A reason with the path it is about in front. */
export function reasonAt(path: string, why: Reason): Reason {
  return `${path}: ${why}` as Reason;
}

/** {@link REASONS.userGone} of each row, as SQL: it has the column `username`. */
export const USER_GONE_SQL = `replace('${REASONS.userGone}', '{username}', username)`;
