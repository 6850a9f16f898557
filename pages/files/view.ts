import { type ComponentChildren, h, type JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Refused } from './api.ts';
import { Dialogs, Viewer } from './dialogs.ts';
import type { FilesApp } from './files-app.ts';
import { viewOf } from './folder.ts';
import { Grid } from './grid.ts';
import { Button, CloseButton, IconButton, Note } from './parts.ts';
import { addressOf, SHARED_WITH_ME, trailOf } from './place.ts';
import { Icon, Name, nameText, problemText, sizeText, whenText } from './show.ts';
import {
  type BrokenOff,
  droppedFiles,
  pickedFiles,
  type Upload,
  type UploadState,
} from './uploads.ts';
import { type Key, say, sayCount, written } from './words.ts';

export interface AppProps {
  readonly app: FilesApp;
}

/** The page. */
export function Page({ app }: AppProps): JSX.Element {
  const { viewed } = app;
  const kind = viewed === null ? null : viewOf(viewed);
  const isWide = useIsWide();
  useTitle(app);
  return h(
    'div',
    { class: 'page' },
    h(Head, { app, isWide }),
    h(DropPlace, { app }),
    h(UploadPanel, { app }),
    isWide ? null : h(Menu, {}),
    h('div', { class: 'hidden', role: 'status', 'aria-live': 'polite', id: 'spoken' }, app.spoken),
    h(Dialogs, { app }),
    viewed === null || kind === null
      ? null
      : h(Viewer, { key: viewed.path, app, entry: viewed, kind }),
  );
}

/** Sets the tab's title and announces a loaded folder. */
function useTitle(app: FilesApp): void {
  const { folder } = app;
  const name = nameText(trailOf(folder.path).at(-1)?.name ?? say('files'));
  useEffect(() => {
    document.title = `${name} – BaluPi`;
    if (!folder.isWhole) return;
    const { length } = folder.entries;
    app.speak(sayCount(length, 'entriesIn', { name }));
  }, [folder, folder.isWhole]);
}

/** The drop target for files. */
function DropPlace({ app }: AppProps): JSX.Element {
  const [depth, setDepth] = useState(0);
  const takes = (event: DragEvent): boolean =>
    app.mayPut && event.dataTransfer?.types.includes('Files') === true;
  const onDrop = (event: DragEvent): void => {
    const { dataTransfer } = event;
    if (!takes(event) || dataTransfer === null) return;
    event.preventDefault();
    setDepth(0);
    void droppedFiles(dataTransfer, app.folder.path).then((chosen) => app.put(chosen));
  };
  const moved = (by: number) => (event: DragEvent) => {
    if (takes(event)) setDepth((now) => Math.max(0, now + by));
  };
  return h(
    'main',
    {
      class: depth > 0 ? 'dropping' : '',
      tabIndex: -1,
      onDragEnter: moved(1),
      onDragLeave: moved(-1),
      onDragOver: (event: DragEvent) => takes(event) && event.preventDefault(),
      onDrop,
    },
    h(Trail, { app }),
    h(Tools, { app }),
    h(Notes, { app }),
    h(List, { app }),
    depth > 0
      ? h('div', { class: 'drop-here' }, h(Icon, { name: 'upload', size: 40 }), say('dropHere'))
      : null,
  );
}

/** The breadcrumbs. */
function Trail({ app }: AppProps): JSX.Element {
  const { path } = app.place;
  const isForeign = app.rights.isForeign(path);
  const top = isForeign ? { path: SHARED_WITH_ME, name: SHARED_WITH_ME } : null;
  // Of another user's folders only shared ones can be opened.
  const below = trailOf(path).slice(isForeign ? 1 : 0);
  const all = [{ path: '', name: say('files') }, ...(top === null ? [] : [top]), ...below];
  const go = (to: string) => (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    app.go({ path: to, shows: null });
  };
  return h(
    'nav',
    { class: 'trail', 'aria-label': say('folders') },
    h(
      'ol',
      {},
      all.map((one, at) => {
        const isLast = at === all.length - 1;
        const name = h(Name, { name: one.name });
        const href = addressOf({ path: one.path, shows: null });
        const link = { class: 'crumb', href, onClick: go(one.path) };
        const inner = isLast
          ? h('span', { class: 'crumb', 'aria-current': 'page' }, name)
          : h('a', link, name);
        return h('li', { key: one.path }, inner);
      }),
    ),
  );
}

function Tools({ app }: AppProps): JSX.Element {
  const { path } = app.folder;
  const mayPin = path !== '' && path !== SHARED_WITH_ME;
  const isPinned = app.pins.has(path);
  return h(
    'div',
    { class: 'tools' },
    app.mayPut ? h(Pickers, { app }) : null,
    mayPin
      ? h(Button, {
          ...{ icon: 'pin' as const, isNarrow: true, isPressed: isPinned },
          label: isPinned ? say('pinnedHere') : say('pin'),
          onClick: () => void app.togglePin(path),
        })
      : null,
    h(Search, { app }),
  );
}

function Pickers({ app }: AppProps): JSX.Element[] {
  return [
    h(Picker, { key: 'files', app, id: 'pick-files', attributes: { multiple: true } }),
    h(Picker, { key: 'folder', app, id: 'pick-folder', attributes: { webkitdirectory: true } }),
    h(Picker, {
      ...{ key: 'camera', app, id: 'pick-camera' },
      attributes: { accept: 'image/*,video/*', capture: 'environment' },
    }),
    h(Button, {
      ...{ key: 'new', icon: 'newFolder' as const, isNarrow: true, label: say('newFolder') },
      onClick: () => app.ask({ kind: 'new-folder' }),
    }),
  ];
}

const PICKERS = {
  'pick-files': { icon: 'upload', label: 'upload', kind: 'main', isNarrow: false },
  'pick-folder': { icon: 'folder', label: 'uploadFolder', kind: 'plain', isNarrow: true },
  'pick-camera': { icon: 'camera', label: 'camera', kind: 'plain', isNarrow: true },
} as const;

interface PickerProps extends AppProps {
  readonly id: keyof typeof PICKERS;
  readonly attributes: Readonly<Record<string, string | boolean>>;
}

/** A button for a hidden file input. */
function Picker({ app, id, attributes }: PickerProps): JSX.Element {
  const field = useRef<HTMLInputElement>(null);
  const { icon, label, kind, isNarrow } = PICKERS[id];
  const onChange = (): void => {
    const input = field.current;
    if (input === null) return;
    app.put(pickedFiles(input.files ?? [], app.folder.path));
    // So that the same file can be chosen again.
    input.value = '';
  };
  return h(
    'span',
    { class: `picker ${id}` },
    h('input', {
      ...attributes,
      ref: field,
      id,
      type: 'file',
      hidden: true,
      'aria-hidden': true,
      onChange,
    }),
    h(Button, { icon, label: say(label), kind, isNarrow, onClick: () => field.current?.click() }),
  );
}

function Search({ app }: AppProps): JSX.Element {
  const { folder } = app;
  const onInput = (event: Event): void => {
    folder.searchFor((event.currentTarget as HTMLInputElement).value);
    const { length } = folder.shown;
    app.speak(sayCount(length, 'found'));
  };
  return h(
    'div',
    { class: 'search', role: 'search' },
    h(Icon, { name: 'search', size: 18 }),
    h('input', {
      ...{ class: 'field', type: 'search', value: folder.search, onInput },
      ...{ placeholder: say('search'), 'aria-label': say('search') },
    }),
    folder.search === ''
      ? null
      : h(IconButton, {
          icon: 'close',
          label: say('showAll'),
          onClick: () => folder.searchFor(''),
        }),
  );
}

/** The folder, or why it cannot be shown. */
function List({ app }: AppProps): JSX.Element {
  const { folder } = app;
  if (folder.entries.length === 0) {
    if (folder.problem !== null) return h(Problem, { app, problem: folder.problem });
    if (!folder.isWhole) return h('p', { class: 'empty', role: 'status' }, say('oneMoment'));
    return h(Empty, { app });
  }
  if (folder.shown.length === 0) {
    return h('p', { class: 'empty' }, say('noMatch'));
  }
  const { length } = folder.entries;
  return h(
    'div',
    { class: 'list' },
    h(Grid, { key: folder.path, app, folder, cursor: app.cursor }),
    folder.isWhole ? null : h('p', { class: 'so-far' }, sayCount(length, 'soFar')),
  );
}

function Empty({ app }: AppProps): JSX.Element {
  return h(
    'div',
    { class: 'empty' },
    h(Icon, { name: 'folder', size: 44 }),
    h('p', {}, say('empty')),
    app.mayPut ? h('p', { class: 'soft' }, say('dropOrChoose')) : null,
  );
}

/** The pages, in the menu's order. */
const PAGES: readonly {
  readonly path: string;
  readonly name: Key;
}[] = [
  { path: '/dashboard/energy', name: 'energy' },
  { path: '/dashboard/nas', name: 'nasAndCache' },
  { path: '/dashboard/files', name: 'files' },
  { path: '/dashboard/uploads', name: 'uploads' },
  { path: '/dashboard/plugs', name: 'plugs' },
  { path: '/dashboard/activity', name: 'activity' },
  { path: '/dashboard/people', name: 'people' },
  { path: '/dashboard/notices', name: 'notifications' },
  { path: '/dashboard/system', name: 'system' },
];

/** From this width on the menu fits in the head, as on the other pages. */
const WIDE = matchMedia('(min-width: 1181px)');

/** Whether the menu is in the head; else it is at the bottom. */
function useIsWide(): boolean {
  const [isWide, setWide] = useState(WIDE.matches);
  useEffect(() => {
    const measure = (): void => setWide(WIDE.matches);
    WIDE.addEventListener('change', measure);
    return () => WIDE.removeEventListener('change', measure);
  }, []);
  return isWide;
}

/** The head that all pages have. */
function Head({ app, isWide }: AppProps & { readonly isWide: boolean }): JSX.Element {
  return h(
    'header',
    { class: 'top' },
    h('button', { type: 'button', class: 'skip', onClick: skip }, say('toContent')),
    h('h1', {}, say('files')),
    isWide ? h(Menu, {}) : null,
    h('span', { class: 'user' }, app.reader.username),
    app.reader.isAdmin
      ? h(
          'a',
          {
            class: 'icon-btn',
            href: '/dashboard/settings',
            title: say('settings'),
            'aria-label': say('settings'),
          },
          h(Icon, { name: 'settings' }),
        )
      : null,
    h(Language, {}),
    h(IconButton, { icon: 'look', label: say('lightOrDark'), onClick: changeLook }),
    h(
      'form',
      { method: 'post', action: '/dashboard/sign-out' },
      h(
        'button',
        {
          class: 'icon-btn',
          type: 'submit',
          title: say('signOut'),
          'aria-label': say('signOut'),
        },
        h(Icon, { name: 'leave' }),
      ),
    ),
  );
}

/** Skips the menu, for keyboard users. */
function skip(): void {
  document.querySelector('main')?.focus();
}

/** Links to the other pages. */
function Menu(): JSX.Element {
  const here = useRef<HTMLAnchorElement>(null);
  useEffect(() => here.current?.scrollIntoView({ block: 'nearest', inline: 'center' }), []);
  return h(
    'nav',
    { class: 'menu', 'aria-label': say('pages') },
    PAGES.map(({ path, name }) => {
      const mark = name === 'files' ? { 'aria-current': 'page' as const, ref: here } : {};
      return h('a', { key: path, href: path, ...mark }, say(name));
    }),
  );
}

/** Every language with a catalogue, under its own name. */
function Language(): JSX.Element {
  const onChange = (event: Event): void => {
    keep('balupi_language', (event.currentTarget as HTMLSelectElement).value);
    location.reload();
  };
  const label = say('language');
  const { language, languages } = window.balupi;
  return h(
    'select',
    { class: 'icon-btn', title: label, 'aria-label': label, value: language, onChange },
    languages.map(({ id, name }) => h('option', { key: id, value: id, lang: id }, name)),
  );
}

function changeLook(): void {
  const root = document.documentElement;
  const isDark =
    root.dataset['look'] === 'dark' ||
    (root.dataset['look'] !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  const look = isDark ? 'light' : 'dark';
  root.dataset['look'] = look;
  keep('balupi_look', look);
}

/** Stores a choice as the other pages do. */
function keep(name: string, value: string): void {
  document.cookie = `${name}=${value}; path=/dashboard; samesite=strict; max-age=31536000`;
}

/** Notes above the list; none if all is well. */
function Notes({ app }: AppProps): JSX.Element {
  const { notice, folder, isSignedOut } = app;
  // If nothing of the folder is here, its problem takes the list's place.
  const problem = folder.entries.length > 0 && !isSignedOut ? folder.problem : null;
  return h(
    'div',
    { class: 'notes' },
    isSignedOut ? h(SignedOut, { app }) : null,
    problem === null ? null : h(Note, { isBad: true, role: 'status' }, problemText(problem)),
    h(Asleep, { app }),
    h(Uploads, { app }),
    app.uploads.brokenOff.map((upload) => h(Broken, { key: upload.upload_id, app, upload })),
    notice === null
      ? null
      : h(
          Note,
          { isBad: notice.isBad, role: notice.isBad ? 'alert' : 'status' },
          h('span', { class: 'grow' }, notice.text),
          h(CloseButton, { onClose: () => app.dismiss() }),
        ),
  );
}

function SignedOut({ app }: AppProps): JSX.Element {
  // In another tab: uploads here continue once the user has signed in there.
  const target = app.uploads.isBusy ? { target: '_blank', rel: 'opener' } : {};
  return h(
    Note,
    { isBad: true, role: 'alert' },
    h('span', { class: 'grow' }, say('signInOver')),
    h('a', { class: 'btn main', href: app.signIn, ...target }, say('signInAgain')),
  );
}

/** The NAS sleeps: what that means here, and a button to wake it for those who may. */
function Asleep({ app }: AppProps): JSX.Element | null {
  const { nas, folder } = app;
  if (nas === null || nas.online) return null;
  const told = toldAgo(folder.ageSeconds);
  const state = app.isWaking ? say('wakingUp') : say('asleep');
  return h(
    Note,
    { role: 'status' },
    h('span', { class: 'grow' }, [state, ...(told === null ? [] : [told])].join(' ')),
    app.isWaking ? h('progress', { 'aria-label': say('wakingUp') }) : h(WakeButton, { app }),
  );
}

function WakeButton({ app }: AppProps): JSX.Element | null {
  if (!app.reader.mayWake || app.isWaking || app.isAwake) return null;
  return h(Button, { label: say('wakeTheNas'), onClick: () => void app.wake() });
}

/** @param seconds since the NAS last listed the folder */
function toldAgo(seconds: number | null): string | null {
  if (seconds === null || seconds < 60) return null;
  const when = whenText(Date.now() - seconds * 1_000);
  return say('listOf', { when });
}

/** The part of the queue that concerns its owner; the page Uploads has the rest. */
function Uploads({ app }: AppProps): JSX.Element | null {
  const { sync } = app;
  if (sync === null) return null;
  const waiting = sync.pending_uploads + sync.pending_changes;
  const said: string[] = [];
  if (sync.conflicts > 0) {
    said.push(sayCount(sync.conflicts, 'conflictsWait'));
  }
  if (sync.failed_uploads > 0) {
    said.push(sayCount(sync.failed_uploads, 'haveFailed'));
  }
  if (waiting > 0 && !sync.nas_online) {
    said.push(sayCount(waiting, 'goLater'));
  }
  if (said.length === 0) return null;
  return h(
    Note,
    { role: 'status' },
    h('span', { class: 'grow' }, said.join(' ')),
    h('a', { class: 'btn', href: '/dashboard/uploads' }, say('toTheUploads')),
  );
}

/** An interrupted upload of an earlier page. */
function Broken({ app, upload }: AppProps & { readonly upload: BrokenOff }): JSX.Element {
  const { upload_id, filename, target_path, received_bytes, total_size } = upload;
  const percent = written((100 * received_bytes) / Math.max(1, total_size), 0);
  const onChange = (event: Event): void => {
    const [file] = (event.currentTarget as HTMLInputElement).files ?? [];
    if (file === undefined) return;
    if (app.uploads.brokenOffLike(file) !== upload) {
      app.tell(say('otherFile'), true);
    } else {
      app.dismiss();
      app.upload([{ file, folder: target_path, name: filename }]);
    }
  };
  const field = `again-${upload_id}`;
  return h(
    Note,
    {},
    h(
      'span',
      { class: 'grow' },
      h('strong', {}, h(Name, { name: filename })),
      ' ',
      say('brokeOff', {
        percent,
        size: sizeText(total_size),
      }),
      // It is offered in every folder.
      target_path === app.folder.path ? null : h('div', { class: 'soft' }, target_path),
    ),
    h(
      'label',
      { class: 'btn main', for: field },
      say('chooseIt'),
      h('input', { id: field, type: 'file', class: 'hidden', onChange }),
    ),
    h(Button, {
      label: say('giveUp'),
      onClick: () => void app.uploads.dropBrokenOff(upload_id),
    }),
  );
}

/** Why a folder cannot be shown, and what to do about it. */
function Problem({ app, problem }: AppProps & { readonly problem: Refused }): JSX.Element | null {
  if (app.isSignedOut) return null;
  const isAsleep = problem.code === 'nas_asleep';
  const ways: ComponentChildren[] = [];
  if (isAsleep) ways.push(h(WakeButton, { app }));
  if (app.place.path !== '') {
    ways.push(
      h(Button, { label: say('toAllFiles'), onClick: () => app.go({ path: '', shows: null }) }),
    );
  }
  if (problem.code === 'refresh_token_now') {
    ways.push(h('a', { class: 'btn main', href: app.signIn }, say('signInAgain')));
  }
  const sentence = isAsleep ? say('folderNeverSeen') : problemText(problem);
  return h(
    'div',
    { class: 'empty', role: 'alert' },
    h(Icon, { name: isAsleep ? 'cloud' : 'file', size: 44 }),
    h('p', {}, sentence),
    h('div', { class: 'acts' }, ways),
  );
}

/** More would make the list one more thing to scroll through. */
const MOST_SHOWN = 60;
/** Sort order, most interesting first. */
const RANK: Readonly<Record<UploadState, number>> = {
  failed: 0,
  sending: 1,
  paused: 1,
  waiting: 2,
  done: 3,
};

/** Running uploads, below the list. */
function UploadPanel({ app }: AppProps): JSX.Element | null {
  const [isOpen, setOpen] = useState(true);
  const { all } = app.uploads;
  if (all.length === 0) return null;
  const shown = [...all]
    .sort((one, other) => RANK[one.state] - RANK[other.state])
    .slice(0, MOST_SHOWN);
  return h(
    'section',
    { class: 'uploads', 'aria-label': say('uploadsFromHere') },
    h(
      'div',
      { class: 'uploads-head' },
      h(Sum, { all }),
      app.uploads.isBusy
        ? null
        : h(Button, { label: say('clear'), onClick: () => app.uploads.clear() }),
      h(IconButton, {
        ...{ icon: isOpen ? ('down' as const) : ('up' as const) },
        label: isOpen ? say('hideList') : say('showList'),
        onClick: () => setOpen(!isOpen),
      }),
    ),
    isOpen
      ? h(
          'ul',
          { class: 'uploads-list', tabIndex: 0, 'aria-label': say('uploadsFromHere') },
          shown.map((upload) => h(Line, { key: upload.key, app, upload })),
        )
      : null,
    isOpen && all.length > shown.length
      ? h('p', { class: 'soft' }, say('andMore', { count: all.length - shown.length }))
      : null,
  );
}

function Sum({ all }: { readonly all: readonly Upload[] }): JSX.Element {
  const done = all.filter(({ state }) => state === 'done').length;
  const failed = all.filter(({ state }) => state === 'failed').length;
  const totalBytes = all.reduce((sum, { file }) => sum + file.size, 0);
  const sentBytes = all.reduce((sum, { sentBytes: sent }) => sum + sent, 0);
  const text = sayCount(all.length, 'doneOf', {
    done: written(done, 0),
  });
  const bad = failed === 0 ? '' : ` · ${sayCount(failed, 'failures')}`;
  return h(
    'div',
    { class: 'sum' },
    h('strong', {}, text),
    h('span', { class: 'soft' }, `${sizeText(sentBytes)} / ${sizeText(totalBytes)}${bad}`),
    h('progress', {
      max: Math.max(1, totalBytes),
      value: sentBytes,
      'aria-label': say('allUploads'),
    }),
  );
}

function Line({ app, upload }: AppProps & { readonly upload: Upload }): JSX.Element {
  const { key, name, state, sentBytes, file, problem } = upload;
  const name_ = nameText(name);
  const text = problem === null ? say(state) : problemText(problem);
  return h(
    'li',
    { class: `line ${state}` },
    h(
      'div',
      { class: 'names' },
      h('span', { class: 'title' }, h(Name, { name })),
      h('span', { class: 'details' }, `${sizeText(file.size)} · ${text}`),
      state === 'sending' || state === 'paused'
        ? h('progress', { max: Math.max(1, file.size), value: sentBytes, 'aria-label': name_ })
        : null,
    ),
    state === 'failed'
      ? h(Button, { label: say('tryAgain'), onClick: () => app.uploads.retry(key) })
      : null,
    state === 'done'
      ? null
      : h(IconButton, {
          ...{ icon: 'close' as const, label: say('giveUpOf', { name: name_ }) },
          onClick: () => void app.uploads.drop(key),
        }),
  );
}
