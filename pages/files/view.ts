import { h, type JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Dialogs, Viewer } from './dialogs.ts';
import { droppedFiles, pickedFiles } from './dropped.ts';
import type { FilesApp } from './files-app.ts';
import { viewOf } from './folder.ts';
import { Head, Menu, useIsWide } from './frame.ts';
import { Grid } from './grid.ts';
import { Notes, Problem } from './notes.ts';
import { Button, IconButton } from './parts.ts';
import { addressOf, SHARED_WITH_ME, trailOf } from './place.ts';
import { Icon, Name, nameText } from './show.ts';
import { UploadPanel } from './upload-panel.ts';
import { say, sayCount } from './words.ts';

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

/** The browser's tab, and what a screen reader says when a folder is there. */
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

/** What files can be dropped on. */
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

/** Where in the folders one is, and the way back up. */
function Trail({ app }: AppProps): JSX.Element {
  const { path } = app.place;
  const isForeign = app.rights.isForeign(path);
  const top = isForeign ? { path: SHARED_WITH_ME, name: SHARED_WITH_ME } : null;
  // Of somebody else's folders only those that are shared can be opened.
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

/** A button, and the field behind it that only a browser can open. */
function Picker({ app, id, attributes }: PickerProps): JSX.Element {
  const field = useRef<HTMLInputElement>(null);
  const { icon, label, kind, isNarrow } = PICKERS[id];
  const onChange = (): void => {
    const input = field.current;
    if (input === null) return;
    app.put(pickedFiles(input.files ?? [], app.folder.path));
    // The same file can be chosen again.
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

/** The folder, or why there is none to see. */
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
