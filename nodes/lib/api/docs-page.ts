import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Allows what the page is made of, all from this origin. Swagger UI sets styles of its own. */
export const DOCS_CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** What `GET /docs` shows. Addresses are absolute paths: the page answers with and without `/`. */
export const DOCS_PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="referrer" content="no-referrer">
    <title>BaluPi API</title>
    <link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
    <link rel="stylesheet" href="/docs/swagger-ui.css">
  </head>
  <body>
    <div id="api"></div>
    <noscript>This page needs JavaScript. The description itself is at /api/openapi.json.</noscript>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/docs-init.js"></script>
  </body>
</html>
`;

/** Without a validator address, Swagger UI sends the document to no service on the internet. */
const DOCS_INIT = `window.SwaggerUIBundle({
  url: '/api/openapi.json',
  dom_id: '#api',
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false,
});
`;

export type DocsAsset =
  | { readonly kind: 'file'; readonly filePath: string; readonly contentType: string }
  | { readonly kind: 'text'; readonly text: string; readonly contentType: string };

const FILES: ReadonlyMap<string, string> = new Map([
  ['swagger-ui.css', 'text/css; charset=utf-8'],
  ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
  ['favicon-32x32.png', 'image/png'],
]);

/**
 * What `GET /docs/<name>` serves.
 * @returns undefined for any name that the page does not use
 */
export function docsAsset(name: string): DocsAsset | undefined {
  if (name === 'docs-init.js') {
    return { kind: 'text', text: DOCS_INIT, contentType: 'text/javascript; charset=utf-8' };
  }
  const contentType = FILES.get(name);
  if (contentType === undefined) return undefined;
  const manifest = createRequire(import.meta.url).resolve('swagger-ui-dist/package.json');
  return { kind: 'file', filePath: join(dirname(manifest), name), contentType };
}
