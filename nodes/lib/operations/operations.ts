/** What nodes can do, declared once: what lets a request in, what a dialog shows, what a help says. */
export {
  declare,
  type Field,
  type FieldKind,
  fieldsOf,
  isUsers,
  type NodeDeclaration,
  type Operation,
  ownerOf,
  type Words,
} from './declaration.ts';
export {
  FieldReader,
  type Given,
  NODE_VERSION,
  NOTHING_GIVEN,
  type StoredNode,
  textIn,
} from './given.ts';
