import { Component, type ComponentChildren, createRef, h, type JSX } from 'preact';
import { Icon, type IconName } from './show.ts';
import { say } from './words.ts';

interface ModalProps {
  /** For screen readers. */
  readonly label: string;
  readonly kind?: string;
  readonly onClose: () => void;
  readonly children?: ComponentChildren;
}

/** A modal dialog: keeps the focus inside and restores it at its end. */
export class Modal extends Component<ModalProps> {
  readonly #dialog = createRef<HTMLDialogElement>();

  override componentDidMount(): void {
    this.#dialog.current?.showModal();
  }

  override componentWillUnmount(): void {
    // Restores the focus, which removing the element would not.
    this.#dialog.current?.close();
  }

  override render(): JSX.Element {
    const { label, kind = '', onClose, children } = this.props;
    return h(
      'dialog',
      {
        ref: this.#dialog,
        class: `modal ${kind}`,
        'aria-label': label,
        onCancel: (event: Event) => {
          event.preventDefault();
          onClose();
        },
        onClick: (event: MouseEvent) => {
          if (event.target === this.#dialog.current) onClose();
        },
      },
      h('div', { class: 'modal-body' }, children),
    );
  }
}

interface ButtonProps {
  readonly icon?: IconName;
  readonly label: string;
  readonly kind?: 'main' | 'danger' | 'plain';
  /** Shows the icon only if space is short. */
  readonly isNarrow?: boolean;
  readonly isPressed?: boolean;
  readonly isDisabled?: boolean;
  readonly id?: string;
  readonly onClick: () => void;
}

export function Button(props: ButtonProps): JSX.Element {
  const {
    icon,
    label,
    kind = 'plain',
    isNarrow = false,
    isPressed,
    isDisabled,
    id,
    onClick,
  } = props;
  return h(
    'button',
    {
      type: 'button',
      class: `btn ${kind}${isNarrow ? ' narrow' : ''}`,
      disabled: isDisabled === true,
      title: isNarrow ? label : '',
      ...(id === undefined ? {} : { id }),
      ...(isPressed === undefined ? {} : { 'aria-pressed': isPressed }),
      onClick,
    },
    icon === undefined ? null : h(Icon, { name: icon, size: 20 }),
    h('span', {}, label),
  );
}

interface IconButtonProps {
  readonly icon: IconName;
  readonly label: string;
  readonly kind?: string;
  readonly tabIndex?: number;
  readonly onClick: (event: MouseEvent) => void;
}

/** A button with an icon only, and its name for screen readers and as a tip. */
export function IconButton({
  icon,
  label,
  kind = '',
  tabIndex = 0,
  onClick,
}: IconButtonProps): JSX.Element {
  return h(
    'button',
    {
      type: 'button',
      class: `icon-btn ${kind}`,
      'aria-label': label,
      title: label,
      tabIndex,
      onClick,
    },
    h(Icon, { name: icon }),
  );
}

interface NoteProps {
  readonly isBad?: boolean;
  readonly role?: 'status' | 'alert';
  readonly children?: ComponentChildren;
}

export function Note({ isBad = false, role, children }: NoteProps): JSX.Element {
  return h(
    'div',
    { class: `note${isBad ? ' bad' : ''}`, ...(role === undefined ? {} : { role }) },
    children,
  );
}

export function CloseButton({ onClose }: { readonly onClose: () => void }): JSX.Element {
  return h(IconButton, { icon: 'close', label: say('close'), kind: 'close', onClick: onClose });
}
