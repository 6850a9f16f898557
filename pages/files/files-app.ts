import {
  type CachePin,
  contentUrl,
  makeFolder,
  move,
  nasStatus,
  type NasStatus,
  type Outcome,
  pin,
  pins,
  reach,
  Refused,
  remove,
  rename,
  syncStatus,
  type SyncStatus,
  unpin,
  wakeNas,
} from './api.ts';
import { type Entry, Folder, type Sorting, viewOf } from './folder.ts';
import {
  addressOf,
  folderOf,
  type Place,
  placeOf,
  type Reader,
  Rights,
  signInAddress,
} from './place.ts';
import { actionProblemText } from './show.ts';
import { type Chosen, Uploads } from './uploads.ts';
import { type Key, say, sayCount } from './words.ts';

/** The modal dialogs. */
export type Dialog =
  | { readonly kind: 'menu' | 'rename' | 'move' | 'delete'; readonly entry: Entry }
  /** The entry is on a sleeping NAS. */
  | { readonly kind: 'wake'; readonly entry: Entry }
  | { readonly kind: 'new-folder' }
  /** Some of the chosen names are taken. */
  | {
      readonly kind: 'taken';
      readonly chosen: readonly Chosen[];
      readonly taken: readonly string[];
    };

export interface Notice {
  readonly text: string;
  readonly isBad: boolean;
}

/** How often a visible page polls what the Pi has in memory. */
const POLL_MS = 4_000;
const RETRY_MS = 3_000;
/** So that a batch of uploads reloads the folder once. */
const RELOAD_MS = 1_200;
/** How often a file on a waking NAS is requested. */
const REACH_MS = 2_000;
const NOTICE_MS = 6_000;

/** The page's state and actions; `view.ts` draws it. */
export class FilesApp {
  readonly reader: Reader;
  readonly rights: Rights;
  readonly uploads: Uploads;
  readonly language: string;
  folder: Folder;
  place: Place;
  nas: NasStatus | null = null;
  sync: SyncStatus | null = null;
  pins: ReadonlyMap<string, CachePin> = new Map();
  dialog: Dialog | null = null;
  notice: Notice | null = null;
  /** Path of the keyboard cursor. */
  cursor: string | null = null;
  /** The next list gets the focus, as its reader uses the keyboard. */
  isByKeyboard = false;
  /** Announced by the screen reader. */
  spoken = '';
  isSignedOut = false;
  readonly #draw: () => void;
  #sorting: Sorting = { by: 'name', isDescending: false };
  #timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(reader: Reader, language: string, draw: () => void) {
    this.reader = reader;
    this.rights = new Rights(reader);
    this.language = language;
    this.#draw = draw;
    this.place = placeOf(location.search);
    this.folder = this.#folderAt(this.place.path);
    this.uploads = new Uploads(draw, () => this.#uploaded());
  }

  start(): void {
    addEventListener('popstate', () => this.#arrive(placeOf(location.search)));
    addEventListener('online', () => this.#lookAgain());
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) this.#lookAgain();
    });
    addEventListener('beforeunload', (event) => {
      if (this.uploads.isBusy) event.preventDefault();
    });
    void this.#load(true);
    void this.#poll();
  }

  get isAwake(): boolean {
    return this.nas?.online === true;
  }

  get isWaking(): boolean {
    return this.nas?.wake.state === 'waking';
  }

  /** The entry that is open in the viewer. */
  get viewed(): Entry | null {
    const { shows } = this.place;
    if (shows === null) return null;
    return this.folder.entries.find(({ name }) => name === shows) ?? null;
  }

  get mayPut(): boolean {
    const [first] = this.folder.entries;
    return this.rights.mayPutInto(this.folder.path, first?.canWrite ?? null);
  }

  /** Opens a folder, or a file of the present one. */
  go(place: Place): void {
    history.replaceState({ cursor: this.cursor }, '');
    history.pushState(null, '', addressOf(place));
    this.#arrive(place);
  }

  /** Opens the parent folder. */
  goUp(): void {
    const { path } = this.place;
    if (path === '') return;
    this.go({ path: this.rights.isForeign(path) ? '' : folderOf(path), shows: null });
    this.cursor = path;
  }

  /** Closes the viewer. */
  closeViewed(): void {
    this.go({ path: this.place.path, shows: null });
  }

  /** Handles a click or Enter. */
  open(entry: Entry): void {
    this.cursor = entry.path;
    if (entry.isFolder) this.go({ path: entry.path, shows: null });
    else if (!this.isHere(entry)) this.ask({ kind: 'wake', entry });
    else if (viewOf(entry) === null) this.download(entry);
    else this.go({ path: this.place.path, shows: entry.name });
  }

  /** Whether a file is available without waking the NAS. */
  isHere(entry: Entry): boolean {
    return entry.isFolder || entry.isKept || this.isAwake;
  }

  download(entry: Entry): void {
    if (!this.isHere(entry)) {
      this.ask({ kind: 'wake', entry });
      return;
    }
    const link = document.createElement('a');
    link.href = contentUrl(entry.id);
    link.download = entry.name;
    link.click();
  }

  ask(dialog: Dialog | null): void {
    this.dialog = dialog;
    this.#draw();
  }

  move(cursor: string | null): void {
    this.cursor = cursor;
    this.#draw();
  }

  sortBy(by: Sorting['by']): void {
    this.folder.sortBy(by);
    this.#sorting = this.folder.sorting;
  }

  tell(text: string, isBad = false): void {
    this.notice = { text, isBad };
    this.#later('notice', NOTICE_MS, () => {
      if (!isBad) this.notice = null;
      this.#draw();
    });
    this.#draw();
  }

  dismiss(): void {
    this.notice = null;
    this.#draw();
  }

  /** Announces a text to screen readers only. */
  speak(text: string): void {
    this.spoken = text;
    this.#draw();
  }

  /** Queues files; asks first if names are taken. */
  put(chosen: readonly Chosen[]): void {
    if (chosen.length === 0) return;
    const here = new Set(this.folder.entries.map(({ path }) => path));
    const taken = chosen
      .filter(({ folder, name }) => folder === this.folder.path && here.has(`${folder}/${name}`))
      .map(({ name }) => name);
    if (taken.length > 0) this.ask({ kind: 'taken', chosen, taken });
    else this.upload(chosen);
  }

  upload(chosen: readonly Chosen[]): void {
    this.dialog = null;
    this.uploads.add(chosen);
    this.speak(sayCount(chosen.length, 'uploading'));
  }

  /** @throws Refused for the dialog that asked for it */
  async makeFolder(name: string): Promise<void> {
    await this.#change(() => makeFolder(this.folder.path, name), 'folderMade');
  }

  /** @throws Refused for the dialog that asked for it */
  async rename(entry: Entry, name: string): Promise<void> {
    await this.#change(() => rename(entry.path, name), 'renamed');
    this.cursor = `${folderOf(entry.path)}/${name}`;
  }

  /** @throws Refused for the dialog that asked for it */
  async moveInto(entry: Entry, folder: string): Promise<void> {
    await this.#change(() => move(entry.path, `${folder}/${entry.name}`), 'moved');
  }

  /** @throws Refused for the dialog that asked for it */
  async remove(entry: Entry): Promise<void> {
    const next = this.#beside(entry);
    await this.#change(() => remove(entry.path), 'deleted');
    this.cursor = next;
  }

  async togglePin(path: string): Promise<void> {
    const isPinned = this.pins.has(path);
    this.dialog = null;
    try {
      await (isPinned ? unpin(path) : pin(path));
      if (isPinned) this.tell(say('unpinned'));
      else if (this.isAwake) this.tell(say('pinnedNow'));
      else this.tell(say('pinnedLater'));
    } catch (problem) {
      this.#tellOf(problem);
    }
    await this.#ask(async () => this.#takePins());
  }

  async wake(): Promise<void> {
    try {
      await wakeNas();
      this.tell(say('beingWoken'));
    } catch (problem) {
      this.#tellOf(problem);
    }
    await this.#look();
  }

  /**
   * Fetches what only the NAS has, and opens it.
   *
   * @throws Refused if the NAS does not wake
   */
  async wakeFor(entry: Entry, signal: AbortSignal): Promise<void> {
    if (this.reader.mayWake) await wakeNas();
    while (!signal.aborted && !(await isReached(entry, signal))) {
      await this.#look();
      if (this.nas?.wake.state === 'failed') throw new Refused('nas_asleep', 503, '', null);
      await new Promise((resolve) => setTimeout(resolve, REACH_MS));
    }
    if (signal.aborted) return;
    await this.#look();
    this.dialog = null;
    if (viewOf(entry) === null) this.download({ ...entry, isKept: true });
    else this.go({ path: this.place.path, shows: entry.name });
  }

  /** Address to sign in again. Uploads that wait for it continue in this tab. */
  get signIn(): string {
    return signInAddress(this.place);
  }

  #folderAt(path: string): Folder {
    return new Folder(path, this.#sorting, this.language, () => this.#draw());
  }

  #arrive(place: Place): void {
    const isOther = place.path !== this.place.path;
    this.place = place;
    this.dialog = null;
    if (isOther) {
      this.folder.stop();
      this.folder = this.#folderAt(place.path);
      const kept = history.state as { readonly cursor?: string | null } | null;
      this.cursor = kept?.cursor ?? null;
      void this.#load(true);
    }
    this.#draw();
  }

  async #load(isAsked: boolean): Promise<void> {
    const { folder } = this;
    await folder.load(isAsked);
    if (folder !== this.folder) return;
    const { problem } = folder;
    if (problem === null) return;
    this.isSignedOut = isSignInOver(problem);
    if (problem.status === 0 || problem.status === 503 || problem.status === 429) {
      this.#later('load', problem.retryAfterMs ?? RETRY_MS, () => void this.#load(false));
    }
  }

  /** The neighbour that gets the cursor when an entry is gone. */
  #beside({ path }: Entry): string | null {
    const { shown } = this.folder;
    const at = shown.findIndex((entry) => entry.path === path);
    return (shown[at + 1] ?? shown[at - 1])?.path ?? null;
  }

  async #change(change: () => Promise<Outcome>, done: Key): Promise<void> {
    let outcome: Outcome;
    try {
      outcome = await change();
    } catch (problem) {
      // The answer may have been lost, or what is listed is not so any more.
      void this.#load(false);
      throw problem;
    }
    this.dialog = null;
    if (outcome === 'done') this.tell(say(done));
    else this.tell(say('noted'));
    await this.#load(false);
  }

  #uploaded(): void {
    this.#later('reload', RELOAD_MS, () => void this.#load(false));
    if (this.uploads.isBusy) return;
    const all = this.uploads.all.filter(({ state }) => state === 'done').length;
    this.speak(sayCount(all, 'uploaded'));
  }

  #lookAgain(): void {
    this.uploads.goOn();
    void this.#load(false);
    void this.#look();
  }

  async #poll(): Promise<void> {
    if (!document.hidden) await this.#look();
    this.#later('poll', POLL_MS, () => void this.#poll());
  }

  /** Polls what the Pi knows without asking the NAS. */
  async #look(): Promise<void> {
    await this.#ask(async () => {
      const [nas, sync] = await Promise.all([nasStatus(), syncStatus(), this.#takePins()]);
      const isOther = this.nas !== null && this.nas.online !== nas.online;
      const isMoved = this.sync !== null && waiting(this.sync) !== waiting(sync);
      this.nas = nas;
      this.sync = sync;
      void this.#ask(() => this.uploads.findBrokenOff());
      this.isSignedOut = false;
      if (isOther || isMoved || (this.folder.problem !== null && nas.online))
        void this.#load(false);
      this.#draw();
    });
  }

  async #takePins(): Promise<void> {
    const before = this.pins;
    this.pins = new Map((await pins()).map((one) => [one.path, one]));
    // Pinned files may have been fetched between two polls; only the list shows which are here.
    const isFetched = this.sync !== null && fetched(before) !== fetched(this.pins);
    if (isFetched) void this.#load(false);
    this.#draw();
  }

  /** Background requests: on failure the old state stays. */
  async #ask(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (problem) {
      if (!(problem instanceof Refused)) throw problem;
      this.isSignedOut ||= isSignInOver(problem);
      this.#draw();
    }
  }

  #tellOf(problem: unknown): void {
    if (!(problem instanceof Refused)) throw problem;
    this.isSignedOut ||= isSignInOver(problem);
    this.tell(actionProblemText(problem), true);
  }

  /** At most one timer per kind. */
  #later(kind: string, ms: number, run: () => void): void {
    clearTimeout(this.#timers.get(kind));
    this.#timers.set(kind, setTimeout(run, ms));
  }
}

function waiting({
  pending_uploads,
  pending_changes,
  conflicts,
  pending_downloads,
}: SyncStatus): string {
  return [pending_uploads, pending_changes, conflicts, pending_downloads].join();
}

function fetched(pins: ReadonlyMap<string, CachePin>): string {
  return [...pins.values()].map(({ path, kept_bytes: bytes }) => `${path} ${bytes}`).join('\n');
}

function isSignInOver({ code }: Refused): boolean {
  return code === 'no_token' || code === 'bad_token';
}

async function isReached({ id }: Entry, signal: AbortSignal): Promise<boolean> {
  try {
    await reach(id, signal);
    return true;
  } catch (problem) {
    if (problem instanceof DOMException) return false;
    if (problem instanceof Refused && (problem.status === 503 || problem.status === 0))
      return false;
    throw problem;
  }
}
