/** What Python's `mimetypes` knows of the extensions in tests and the demo. */
const BY_ENDING: Readonly<Record<string, string>> = {
  avi: 'video/x-msvideo',
  bin: 'application/octet-stream',
  csv: 'text/csv',
  doc: 'application/msword',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  gif: 'image/gif',
  html: 'text/html',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  json: 'application/json',
  md: 'text/markdown',
  mkv: 'video/x-matroska',
  mov: 'video/quicktime',
  mp3: 'audio/mpeg',
  mp4: 'video/mp4',
  pdf: 'application/pdf',
  png: 'image/png',
  svg: 'image/svg+xml',
  txt: 'text/plain',
  webp: 'image/webp',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  xml: 'text/xml',
  zip: 'application/zip',
};

/** By a name's extension, or null, as listings show it. */
export function mediaTypeOf(name: string): string | null {
  const dot = name.lastIndexOf('.');
  if (dot < 1) return null;
  return BY_ENDING[name.slice(dot + 1).toLowerCase()] ?? null;
}

/** As downloads send it: text has a charset, and anything unknown is text. */
export function contentTypeOf(name: string): string {
  const type = mediaTypeOf(name) ?? 'text/plain';
  return type.startsWith('text/') ? `${type}; charset=utf-8` : type;
}
