import { type ComponentChildren, h, type JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { contentUrl, type FileItem, listAll, Refused } from './api.ts';
import type { Dialog, FilesApp } from './files-app.ts';
import { type Entry, kindOf } from './folder.ts';
import { Button, CloseButton, Modal, Note } from './parts.ts';
import { folderOf, isWithin, SHARED, SHARED_WITH_ME, trailOf } from './place.ts';
import {
  actionProblemText,
  Icon,
  type IconName,
  Name,
  nameText,
  sizeText,
  whenText,
} from './show.ts';
import type { Chosen } from './uploads.ts';
import { say, sayCount } from './words.ts';

interface Props {
  readonly app: FilesApp;
}

interface EntryProps extends Props {
  readonly entry: Entry;
}

/** The open dialog, if any. */
export function Dialogs({ app }: Props): JSX.Element | null {
  const { dialog } = app;
  return dialog === null ? null : drawn(app, dialog);
}

function drawn(app: FilesApp, dialog: Dialog): JSX.Element {
  switch (dialog.kind) {
    case 'menu':
      return h(Menu, { app, entry: dialog.entry });
    case 'rename':
      return h(Rename, { app, entry: dialog.entry });
    case 'move':
      return h(Move, { app, entry: dialog.entry });
    case 'delete':
      return h(Delete, { app, entry: dialog.entry });
    case 'wake':
      return h(Wake, { app, entry: dialog.entry });
    case 'new-folder':
      return h(NewFolder, { app });
    case 'taken':
      return h(Taken, { app, chosen: dialog.chosen, taken: dialog.taken });
  }
}

/** Runs an action and shows why it failed. */
function useTry(): {
  readonly problem: Refused | null;
  readonly isBusy: boolean;
  readonly attempt: (work: () => Promise<void>) => void;
} {
  const [problem, setProblem] = useState<Refused | null>(null);
  const [isBusy, setBusy] = useState(false);
  const run = async (work: () => Promise<void>): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      await work();
    } catch (found) {
      if (!(found instanceof Refused)) throw found;
      setProblem(found);
    } finally {
      setBusy(false);
    }
  };
  return { problem, isBusy, attempt: (work) => void run(work) };
}

interface FrameProps extends Props {
  readonly title: string;
  readonly kind?: string;
  readonly problem?: string | null;
  readonly children?: ComponentChildren;
}

function Frame({ app, title, kind = '', problem = null, children }: FrameProps): JSX.Element {
  const onClose = (): void => app.ask(null);
  return h(
    Modal,
    { label: title, kind, onClose },
    h('div', { class: 'modal-head' }, h('h2', {}, title), h(CloseButton, { onClose })),
    children,
    problem === null ? null : h(Note, { isBad: true, role: 'alert' }, problem),
  );
}

interface Choice {
  readonly icon: IconName;
  readonly label: string;
  readonly isShown: boolean;
  readonly kind?: 'danger';
  readonly run: () => void;
}

/** The actions that the reader may take on an entry. */
function Menu({ app, entry }: EntryProps): JSX.Element {
  const choices = choicesOf(app, entry).filter(({ isShown }) => isShown);
  const [first] = choices;
  return h(
    Frame,
    { app, title: say('actions'), kind: 'menu' },
    h(About, { entry }),
    h(
      'ul',
      { class: 'choices' },
      choices.map(({ icon, label, kind = '', run }) =>
        h(
          'li',
          { key: label },
          h(
            'button',
            {
              type: 'button',
              class: `choice ${kind}`,
              autoFocus: label === first?.label,
              onClick: run,
            },
            h(Icon, { name: icon }),
            label,
          ),
        ),
      ),
    ),
  );
}

function choicesOf(app: FilesApp, entry: Entry): readonly Choice[] {
  const then = (run: () => void) => () => {
    app.ask(null);
    run();
  };
  return [
    { icon: kindOf(entry), label: say('open'), isShown: true, run: then(() => app.open(entry)) },
    {
      icon: 'down',
      label: say('download'),
      isShown: !entry.isFolder,
      run: then(() => app.download(entry)),
    },
    {
      icon: 'pin',
      label: app.pins.has(entry.path) ? say('unpin') : say('pin'),
      isShown: entry.isFolder && entry.path !== SHARED_WITH_ME,
      run: () => void app.togglePin(entry.path),
    },
    ...changesOf(app, entry),
  ];
}

/** The actions that change it on the NAS. */
function changesOf(app: FilesApp, entry: Entry): readonly Choice[] {
  const mayWrite = app.rights.mayWrite(entry.path, entry.canWrite);
  const mayDelete = app.rights.mayWrite(entry.path, entry.canDelete);
  const asking = (kind: 'rename' | 'move' | 'delete') => () => app.ask({ kind, entry });
  return [
    { icon: 'text', label: say('rename'), isShown: mayWrite, run: asking('rename') },
    { icon: 'forth', label: say('move'), isShown: mayWrite, run: asking('move') },
    {
      icon: 'close',
      label: say('delete'),
      kind: 'danger',
      isShown: mayDelete,
      run: asking('delete'),
    },
  ];
}

function About({ entry }: { readonly entry: Entry }): JSX.Element {
  const size = entry.isFolder ? [] : [sizeText(entry.sizeBytes)];
  return h(
    'p',
    { class: 'about' },
    h('strong', {}, h(Name, { name: entry.name })),
    h('span', { class: 'soft' }, [...size, whenText(entry.modifiedMs)].join(' · ')),
  );
}

interface NameFormProps extends Props {
  readonly title: string;
  readonly label: string;
  readonly name: string;
  readonly button: string;
  /** How many letters are selected at first. */
  readonly chosen: number;
  readonly run: (name: string) => Promise<void>;
}

/** Asks for a name. A taken name is never sent to the NAS, which would overwrite. */
function NameForm({ app, title, label, name, button, chosen, run }: NameFormProps): JSX.Element {
  const [value, setValue] = useState(name);
  const { problem, isBusy, attempt } = useTry();
  const wrong = value === name ? null : faultOf(app, value);
  const onSubmit = (event: Event): void => {
    event.preventDefault();
    if (value === name) app.ask(null);
    else if (wrong === null) attempt(() => run(value));
  };
  const submit = { class: 'btn main', type: 'submit', disabled: isBusy || wrong !== null };
  return h(
    Frame,
    { app, title, problem: wrong ?? (problem === null ? null : actionProblemText(problem)) },
    h(
      'form',
      { onSubmit },
      h('label', {}, label, h(NameField, { value, chosen, onChange: setValue })),
      h('div', { class: 'acts' }, h('button', submit, button), h(Cancel, { app })),
    ),
  );
}

interface NameFieldProps {
  readonly value: string;
  /** How many letters are selected at first. */
  readonly chosen: number;
  readonly onChange: (value: string) => void;
}

function NameField({ value, chosen, onChange }: NameFieldProps): JSX.Element {
  const field = useRef<HTMLInputElement>(null);
  // Before anybody can type: later, it would leave a part of the old name behind the new one.
  useLayoutEffect(() => field.current?.setSelectionRange(0, chosen), []);
  return h('input', {
    ...{ ref: field, class: 'field', value, maxLength: 255, autoComplete: 'off', dir: 'auto' },
    autoFocus: true,
    onInput: (event: Event) => onChange((event.currentTarget as HTMLInputElement).value),
  });
}

function Cancel({ app }: Props): JSX.Element {
  return h(Button, { label: say('cancel'), onClick: () => app.ask(null) });
}

/** Why a name is invalid; null if it is valid. */
function faultOf(app: FilesApp, name: string): string | null {
  if (name === '') return say('nameEmpty');
  if (name.includes('/')) return say('nameSlash');
  const isTaken = app.folder.entries.some((entry) => entry.name === name);
  return isTaken ? say('nameTaken') : null;
}

function Rename({ app, entry }: EntryProps): JSX.Element {
  const dot = entry.isFolder ? -1 : entry.name.lastIndexOf('.');
  return h(NameForm, {
    app,
    title: say('rename'),
    label: say('newName'),
    name: entry.name,
    button: say('rename'),
    chosen: dot > 0 ? dot : entry.name.length,
    run: (name) => app.rename(entry, name),
  });
}

function NewFolder({ app }: Props): JSX.Element {
  return h(NameForm, {
    app,
    title: say('newFolder'),
    label: say('folderName'),
    name: '',
    button: say('makeIt'),
    chosen: 0,
    run: (name) => app.makeFolder(name),
  });
}

function Delete({ app, entry }: EntryProps): JSX.Element {
  const { problem, isBusy, attempt } = useTry();
  const sentence = entry.isFolder ? say('deletesFolder') : say('deletesFile');
  return h(
    Frame,
    {
      app,
      title: say('deleteQuestion'),
      problem: problem === null ? null : actionProblemText(problem),
    },
    h(About, { entry }),
    h('p', {}, sentence),
    app.isAwake ? null : h('p', { class: 'soft' }, say('deleteNoted')),
    h(
      'div',
      { class: 'acts' },
      h(Button, {
        ...{ label: say('delete'), kind: 'danger', isDisabled: isBusy },
        onClick: () => attempt(() => app.remove(entry)),
      }),
      h(Cancel, { app }),
    ),
  );
}

/** Offers to wake the NAS for an entry that only it has. */
function Wake({ app, entry }: EntryProps): JSX.Element {
  const { problem, isBusy, attempt } = useTry();
  const leaving = useRef(new AbortController());
  useEffect(() => () => leaving.current.abort(), []);
  return h(
    Frame,
    {
      app,
      title: say('wakeQuestion'),
      problem: problem === null ? null : actionProblemText(problem),
    },
    h(About, { entry }),
    isBusy ? h('p', { role: 'status' }, say('comesByItself')) : h('p', {}, say('wakeToFetch')),
    isBusy ? h('progress', { 'aria-label': say('wakingUp') }) : null,
    h(
      'div',
      { class: 'acts' },
      h(Button, {
        ...{ label: say('wakeAndOpen'), kind: 'main', isDisabled: isBusy },
        onClick: () => attempt(() => app.wakeFor(entry, leaving.current.signal)),
      }),
      h(Button, { label: say('letItSleep'), onClick: () => app.ask(null) }),
    ),
  );
}

interface TakenProps extends Props {
  readonly chosen: readonly Chosen[];
  readonly taken: readonly string[];
}

function Taken({ app, chosen, taken }: TakenProps): JSX.Element {
  const names = new Set(taken);
  const here = app.folder.path;
  const isTaken = ({ folder, name }: Chosen): boolean => folder === here && names.has(name);
  const others = chosen.filter((one) => !isTaken(one));
  const beside = (): readonly Chosen[] => {
    const used = new Set(app.folder.entries.map(({ name }) => name));
    return chosen.map((one) => (isTaken(one) ? { ...one, name: freeName(one.name, used) } : one));
  };
  const upload = (files: readonly Chosen[]) => () => app.upload(files);
  return h(
    Frame,
    { app, title: say('thereAlready') },
    h(TakenNames, { taken }),
    h(
      'div',
      { class: 'acts' },
      h(Button, { label: say('keepBoth'), kind: 'main', onClick: () => app.upload(beside()) }),
      h(Button, { label: say('replace'), onClick: upload(chosen) }),
      others.length === 0 ? null : h(Button, { label: say('leaveOut'), onClick: upload(others) }),
      h(Cancel, { app }),
    ),
  );
}

function TakenNames({ taken }: Pick<TakenProps, 'taken'>): JSX.Element {
  const shown = taken.slice(0, 5);
  const more = taken.length - shown.length;
  return h(
    'div',
    {},
    h('p', {}, sayCount(taken.length, 'takenNames')),
    h(
      'ul',
      { class: 'names-list' },
      shown.map((name) => h('li', { key: name }, h(Name, { name }))),
    ),
    more === 0 ? null : h('p', { class: 'soft' }, say('andMore', { count: more })),
  );
}

/** `photo (2).jpg`; adds the name to the used ones. */
function freeName(name: string, used: Set<string>): string {
  const dot = name.lastIndexOf('.');
  const [stem, end] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  let free = name;
  for (let number = 2; used.has(free); number += 1) free = `${stem} (${number})${end}`;
  used.add(free);
  return free;
}

/** Chooses the target, folder by folder. */
function Move({ app, entry }: EntryProps): JSX.Element {
  const [path, setPath] = useState(folderOf(entry.path));
  const { problem, isBusy, attempt } = useTry();
  const [items, fault] = useListing(path);
  const isSame = path === folderOf(entry.path);
  const isTaken = !isSame && items?.some(({ name }) => name === entry.name) === true;
  const mayPut = app.rights.mayPutInto(path, null) && !isWithin(path, entry.path);
  const found = problem ?? fault;
  const wrong = isTaken ? say('nameTaken') : null;
  return h(
    Frame,
    {
      app,
      title: say('move'),
      problem: wrong ?? (found === null ? null : actionProblemText(found)),
    },
    h(About, { entry }),
    h(Trail, { path, setPath }),
    h(FolderList, { items, without: entry.path, isLoading: found === null, setPath }),
    h(
      'div',
      { class: 'acts' },
      h(Button, {
        ...{ label: say('moveHere'), kind: 'main' as const },
        isDisabled: isBusy || isSame || isTaken || !mayPut || items === null,
        onClick: () => attempt(() => app.moveInto(entry, path)),
      }),
      h(Cancel, { app }),
    ),
  );
}

function useListing(path: string): [readonly FileItem[] | null, Refused | null] {
  const [items, setItems] = useState<readonly FileItem[] | null>(null);
  const [fault, setFault] = useState<Refused | null>(null);
  useEffect(() => {
    const leaving = new AbortController();
    setItems(null);
    setFault(null);
    listAll({ path, isAsked: true, signal: leaving.signal }).then(setItems, (problem: unknown) => {
      if (problem instanceof Refused) setFault(problem);
    });
    return () => leaving.abort();
  }, [path]);
  return [items, fault];
}

interface TrailProps {
  readonly path: string;
  readonly setPath: (path: string) => void;
}

function Trail({ path, setPath }: TrailProps): JSX.Element {
  const all = [{ path: '', name: say('files') }, ...trailOf(path)];
  return h(
    'div',
    { class: 'trail' },
    all.map((one) =>
      h(
        'button',
        {
          ...{ key: one.path, type: 'button', class: 'crumb', onClick: () => setPath(one.path) },
          ...(one.path === path ? { 'aria-current': 'true' as const } : {}),
        },
        h(Name, { name: one.name }),
      ),
    ),
  );
}

interface FolderListProps {
  readonly items: readonly FileItem[] | null;
  /** The moved entry, which cannot go into itself. */
  readonly without: string;
  readonly isLoading: boolean;
  readonly setPath: (path: string) => void;
}

function FolderList({ items, without, isLoading, setPath }: FolderListProps): JSX.Element | null {
  if (items === null) {
    return isLoading ? h('p', { class: 'soft', role: 'status' }, say('oneMoment')) : null;
  }
  const hidden = new Set([SHARED_WITH_ME, without]);
  const open = items.filter((item) => item.is_directory && !hidden.has(item.path));
  if (open.length === 0) return h('p', { class: 'soft' }, say('noFolders'));
  return h(
    'ul',
    { class: 'choices folders' },
    open.map(({ path, name }) =>
      h(
        'li',
        { key: path },
        h(
          'button',
          { type: 'button', class: 'choice', onClick: () => setPath(path) },
          h(Icon, { name: 'folder' }),
          h(Name, { name }),
          path === SHARED ? h('span', { class: 'soft' }, say('forEverybody')) : null,
        ),
      ),
    ),
  );
}

/** Shows or plays a single file. */
export function Viewer({ app, entry, kind }: EntryProps & { readonly kind: Shown }): JSX.Element {
  const [isBroken, setBroken] = useState(false);
  const onClose = (): void => app.closeViewed();
  const download = { icon: 'down' as const, label: say('download'), isNarrow: true };
  return h(
    Modal,
    { label: nameText(entry.name), kind: 'viewer', onClose },
    h(
      'div',
      { class: 'modal-head' },
      h('h2', {}, h(Name, { name: entry.name })),
      h(Button, { ...download, onClick: () => app.download(entry) }),
      h(CloseButton, { onClose }),
    ),
    isBroken
      ? h(Note, { isBad: true, role: 'alert' }, say('cannotShow'))
      : h(
          'div',
          { class: 'stage' },
          stageOf(entry, kind, () => setBroken(true)),
        ),
  );
}

type Shown = 'image' | 'video' | 'audio';

function stageOf(entry: Entry, kind: Shown, onError: () => void): JSX.Element {
  const src = contentUrl(entry.id);
  const name = nameText(entry.name);
  const media = { src, controls: true, autoPlay: true, 'aria-label': name, onError };
  switch (kind) {
    case 'image':
      return h('img', { src, alt: name, onError });
    case 'video':
      return h('video', { ...media, playsInline: true });
    case 'audio':
      return h('audio', media);
  }
}
