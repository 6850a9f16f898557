import { Component, createRef, h, type JSX } from 'preact';
import { thumbnailUrl } from './api.ts';
import type { FilesApp } from './files-app.ts';
import { type Entry, type Folder, kindOf, plain, type SortBy } from './folder.ts';
import { addressOf } from './place.ts';
import { IconButton } from './parts.ts';
import { Icon, type IconName, Name, nameText, sizeText, whenText } from './show.ts';
import { type Key, say } from './words.ts';

/** As in the style sheet: all rows have one height, so that positions can be computed. */
const ROW_PX = 60;
/** Extra rows beyond the edges, so that a flick shows no gap. */
const SPARE_ROWS = 8;
/** Letters typed within it form one prefix. */
const TYPING_MS = 700;
/** A list that has not scrolled for this long is being looked at. */
const STILL_MS = 120;

interface GridProps {
  readonly app: FilesApp;
  readonly folder: Folder;
  readonly cursor: string | null;
}

interface GridState {
  readonly topRow: number;
  readonly heightPx: number;
  readonly isMoving: boolean;
}

/**
 * The list of a folder. Of ten thousand rows it renders the thirty visible ones and the cursor's.
 */
export class Grid extends Component<GridProps, GridState> {
  override state: GridState = { topRow: 0, heightPx: 900, isMoving: false };
  readonly #scroller = createRef<HTMLDivElement>();
  #sizes: ResizeObserver | null = null;
  #still: ReturnType<typeof setTimeout> | undefined;
  #typed = { text: '', atMs: 0 };
  /** Focus the cursor's row as soon as it is rendered. */
  #wantsFocus = false;

  override componentDidMount(): void {
    const scroller = this.#scroller.current;
    if (scroller === null) return;
    this.#sizes = new ResizeObserver(() => this.setState({ heightPx: scroller.clientHeight }));
    this.#sizes.observe(scroller);
    // A keyboard user came from a folder whose rows are gone.
    this.#wantsFocus = this.props.app.isByKeyboard;
    this.props.app.isByKeyboard = false;
    if (this.props.cursor !== null) this.#show(this.#cursorRow);
    this.#focus();
  }

  override componentWillUnmount(): void {
    this.#sizes?.disconnect();
    clearTimeout(this.#still);
  }

  override componentDidUpdate(): void {
    this.#focus();
  }

  override render(): JSX.Element {
    const { folder } = this.props;
    const { shown } = folder;
    return h(
      'div',
      {
        class: `grid${this.state.isMoving ? ' moving' : ''}`,
        role: 'grid',
        'aria-label': say('files'),
        'aria-rowcount': shown.length + 1,
        'aria-busy': !folder.isWhole,
        ref: this.#scroller,
        onScroll: this.#scrolled,
        onKeyDown: this.#pressed,
      },
      h(Head, { app: this.props.app, folder }),
      h(
        'div',
        { class: 'rows', role: 'rowgroup', style: { height: `${shown.length * ROW_PX}px` } },
        this.#drawn().map((at) => this.#row(at)),
      ),
    );
  }

  /** From the current state, not the last render: a key may come in between. */
  get #cursorRow(): number {
    const { app, folder } = this.props;
    const at = folder.shown.findIndex(({ path }) => path === app.cursor);
    return Math.max(0, at);
  }

  /** The rendered rows: visible ones, and the cursor's. */
  #drawn(): readonly number[] {
    const { length } = this.props.folder.shown;
    const { topRow, heightPx } = this.state;
    const first = Math.max(0, topRow - SPARE_ROWS);
    const last = Math.min(length, topRow + Math.ceil(heightPx / ROW_PX) + SPARE_ROWS);
    const rows = Array.from({ length: Math.max(0, last - first) }, (_, at) => first + at);
    const cursor = this.#cursorRow;
    if (cursor < first) rows.unshift(cursor);
    else if (cursor >= last && cursor < length) rows.push(cursor);
    return rows;
  }

  #row(at: number): JSX.Element | null {
    const { app, folder } = this.props;
    const entry = folder.shown[at];
    if (entry === undefined) return null;
    const isCursor = at === this.#cursorRow;
    return h(Row, { key: entry.path, app, entry, at, isCursor, isMoving: this.state.isMoving });
  }

  readonly #scrolled = (): void => {
    const topRow = Math.floor((this.#scroller.current?.scrollTop ?? 0) / ROW_PX);
    if (topRow === this.state.topRow) return;
    this.setState({ topRow, isMoving: true });
    clearTimeout(this.#still);
    this.#still = setTimeout(() => this.setState({ isMoving: false }), STILL_MS);
  };

  readonly #pressed = (event: KeyboardEvent): void => {
    const { app, folder } = this.props;
    const entry = folder.shown[this.#cursorRow];
    const isInRow = event.target instanceof HTMLElement && event.target.role === 'row';
    // Buttons of the head and of rows handle their own keys.
    if (!isInRow || event.ctrlKey || event.metaKey) return;
    const to = this.#wanted(event.key);
    if (to !== null) this.#moveTo(to);
    else if (entry === undefined || !acted(app, entry, event)) {
      if (!this.#type(event)) return;
    }
    event.preventDefault();
  };

  /** The row that a key moves to; null for other keys. */
  #wanted(key: string): number | null {
    const page = Math.max(1, Math.floor(this.state.heightPx / ROW_PX) - 2);
    const now = this.#cursorRow;
    const to: Readonly<Record<string, number>> = {
      ArrowDown: now + 1,
      ArrowUp: now - 1,
      PageDown: now + page,
      PageUp: now - page,
      Home: 0,
      End: this.props.folder.shown.length - 1,
    };
    return to[key] ?? null;
  }

  #moveTo(row: number): void {
    const { shown } = this.props.folder;
    const at = Math.min(Math.max(0, row), shown.length - 1);
    const entry = shown[at];
    if (entry === undefined) return;
    this.#wantsFocus = true;
    this.#show(at);
    this.props.app.move(entry.path);
  }

  /** @returns whether the key was a letter of a name */
  #type({ key, altKey, timeStamp }: KeyboardEvent): boolean {
    if (altKey || [...key].length !== 1) return false;
    const isNew = timeStamp - this.#typed.atMs > TYPING_MS;
    if (isNew && key === ' ') return false;
    this.#typed = { text: isNew ? key : this.#typed.text + key, atMs: timeStamp };
    const { shown } = this.props.folder;
    const wanted = plain(this.#typed.text);
    const from = this.#cursorRow + (isNew ? 1 : 0);
    const order = [...shown.slice(from), ...shown.slice(0, from)];
    const found = order.find(({ name }) => plain(name).startsWith(wanted));
    if (found !== undefined) this.#moveTo(shown.indexOf(found));
    return true;
  }

  /** Scrolls a row into view, no further than necessary. */
  #show(row: number): void {
    const scroller = this.#scroller.current;
    if (scroller === null) return;
    const headPx = scroller.firstElementChild?.clientHeight ?? 0;
    const topPx = row * ROW_PX;
    const bottomPx = topPx + ROW_PX + headPx;
    if (topPx < scroller.scrollTop) scroller.scrollTop = topPx;
    else if (bottomPx > scroller.scrollTop + scroller.clientHeight) {
      scroller.scrollTop = bottomPx - scroller.clientHeight;
    }
  }

  #focus(): void {
    if (!this.#wantsFocus) return;
    const row = this.#scroller.current?.querySelector<HTMLElement>('[role=row][tabindex="0"]');
    if (row === null || row === undefined) return;
    row.focus({ preventScroll: true });
    this.#wantsFocus = false;
  }
}

/** Applies a key to the cursor's row. @returns whether it did anything */
function acted(app: FilesApp, entry: Entry, { key, shiftKey, altKey }: KeyboardEvent): boolean {
  const { rights } = app;
  app.isByKeyboard = true;
  if (key === 'Enter') app.open(entry);
  else if (key === 'ContextMenu' || (key === 'F10' && shiftKey)) app.ask({ kind: 'menu', entry });
  else if (key === 'Delete' && rights.mayWrite(entry.path, entry.canDelete)) {
    app.ask({ kind: 'delete', entry });
  } else if (key === 'F2' && rights.mayWrite(entry.path, entry.canWrite)) {
    app.ask({ kind: 'rename', entry });
  } else if (key === 'Backspace' || (key === 'ArrowUp' && altKey)) app.goUp();
  else return false;
  return true;
}

const COLUMNS: readonly { readonly by: SortBy; readonly label: Key }[] = [
  { by: 'name', label: 'name' },
  { by: 'size', label: 'size' },
  { by: 'modified', label: 'changed' },
];

function Head({ app, folder }: { readonly app: FilesApp; readonly folder: Folder }): JSX.Element {
  const { by: sorted, isDescending } = folder.sorting;
  const heads = COLUMNS.map(({ by, label }) => {
    const isSorted = by === sorted;
    const order = isDescending ? 'descending' : 'ascending';
    return h(
      'div',
      { class: `cell ${by}`, role: 'columnheader', 'aria-sort': isSorted ? order : 'none' },
      h(
        'button',
        { type: 'button', class: 'sort', onClick: () => app.sortBy(by) },
        say(label),
        isSorted ? h(Icon, { name: isDescending ? 'down' : 'up', size: 14 }) : null,
      ),
    );
  });
  return h(
    'div',
    { class: 'head-rows', role: 'rowgroup' },
    h(
      'div',
      { class: 'row head', role: 'row', 'aria-rowindex': 1 },
      heads,
      h('div', { class: 'cell where', role: 'columnheader' }, say('where')),
      h(
        'div',
        { class: 'cell more', role: 'columnheader' },
        h('span', { class: 'hidden' }, say('actions')),
      ),
    ),
  );
}

interface RowProps {
  readonly app: FilesApp;
  readonly entry: Entry;
  readonly at: number;
  readonly isCursor: boolean;
  readonly isMoving: boolean;
}

function Row({ app, entry, at, isCursor, isMoving }: RowProps): JSX.Element {
  const where = whereOf(app, entry);
  const onMenu = (event: Event): void => {
    event.preventDefault();
    event.stopPropagation();
    app.move(entry.path);
    app.ask({ kind: 'menu', entry });
  };
  const size = entry.isFolder ? '' : sizeText(entry.sizeBytes);
  return h(
    'div',
    {
      class: `row${isCursor ? ' cursor' : ''}${app.isHere(entry) ? '' : ' away'}`,
      role: 'row',
      'aria-rowindex': at + 2,
      tabIndex: isCursor ? 0 : -1,
      'data-name': entry.name,
      style: { transform: `translateY(${at * ROW_PX}px)` },
      onFocus: () => app.cursor !== entry.path && app.move(entry.path),
      onClick: () => app.open(entry),
      onContextMenu: onMenu,
    },
    h(NameCell, { entry, where, isMoving }),
    h('div', { class: 'cell size', role: 'gridcell' }, size),
    h('div', { class: 'cell modified', role: 'gridcell' }, whenText(entry.modifiedMs)),
    h('div', { class: 'cell where', role: 'gridcell' }, h(Where, { where })),
    h(MoreCell, { entry, isCursor, onMenu }),
  );
}

interface MoreCellProps {
  readonly entry: Entry;
  readonly isCursor: boolean;
  readonly onMenu: (event: Event) => void;
}

function MoreCell({ entry, isCursor, onMenu }: MoreCellProps): JSX.Element {
  const label = say('actionsFor', { name: nameText(entry.name) });
  const tabIndex = isCursor ? 0 : -1;
  return h(
    'div',
    { class: 'cell more', role: 'gridcell' },
    h(IconButton, { icon: 'more', label, tabIndex, onClick: onMenu }),
  );
}

interface NameCellProps {
  readonly entry: Entry;
  readonly where: WhereIs | null;
  readonly isMoving: boolean;
}

function NameCell({ entry, where, isMoving }: NameCellProps): JSX.Element {
  // A phone shows only the first of them.
  const details = [
    ...(where === null ? [] : [where.text]),
    ...(entry.isFolder ? [] : [sizeText(entry.sizeBytes)]),
    whenText(entry.modifiedMs),
  ];
  const name = h(Name, { name: entry.name });
  // A folder is a link, to open it in a new tab; the row handles a plain click.
  const address = addressOf({ path: entry.path, shows: null });
  const follow = (event: MouseEvent): void => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) event.stopPropagation();
    else event.preventDefault();
  };
  return h(
    'div',
    { class: 'cell name', role: 'rowheader', title: nameText(entry.name) },
    h(Picture, { entry, isMoving }),
    h(
      'div',
      { class: 'names' },
      entry.isFolder
        ? h('a', { class: 'title', href: address, tabIndex: -1, onClick: follow }, name)
        : h('span', { class: 'title' }, name),
      h('span', { class: 'details', 'aria-hidden': 'true' }, details.join(' · ')),
    ),
  );
}

/** Loads thumbnails once the list stops scrolling: a flick through ten thousand loads none. */
function Picture({
  entry,
  isMoving,
}: {
  readonly entry: Entry;
  readonly isMoving: boolean;
}): JSX.Element {
  const url = isMoving ? null : thumbnailUrl(entry);
  const icon = h(Icon, { name: kindOf(entry), size: 26 });
  if (url === null) return h('div', { class: 'picture' }, icon);
  const onError = (event: Event): void => {
    (event.currentTarget as HTMLImageElement).hidden = true;
  };
  const image = { src: url, alt: '', width: 40, height: 40, decoding: 'async' as const, onError };
  return h('div', { class: 'picture' }, icon, h('img', { key: url, ...image }));
}

interface WhereIs {
  readonly icon: IconName;
  readonly text: string;
}

/** Whether an entry is on the Pi or would wake the NAS. */
function whereOf(app: FilesApp, entry: Entry): WhereIs | null {
  if (entry.isQueued) return { icon: 'waits', text: say('waitsForNas') };
  if (entry.isFolder) return pinOf(app, entry.path);
  if (entry.isKept) return { icon: 'here', text: say('onThePi') };
  return { icon: 'cloud', text: app.isAwake ? say('onTheNas') : say('wakesTheNas') };
}

function pinOf(app: FilesApp, path: string): WhereIs | null {
  const pin = app.pins.get(path);
  if (pin === undefined) return null;
  const isKept = pin.state === 'kept';
  const [kept, files] = [pin.kept_files, pin.files];
  const text = isKept || files === 0 ? say('pinned') : say('pinnedPartly', { kept, files });
  return { icon: 'pin', text };
}

function Where({ where }: { readonly where: WhereIs | null }): JSX.Element | null {
  if (where === null) return null;
  return h(
    'span',
    { class: `chip ${where.icon}` },
    h(Icon, { name: where.icon, size: 16 }),
    where.text,
  );
}
