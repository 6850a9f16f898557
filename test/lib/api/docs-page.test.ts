import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { DOCS_CONTENT_SECURITY_POLICY, DOCS_PAGE, docsAsset } from '../../../nodes/lib/api/api.ts';

describe('the page of the description', () => {
  const addresses = [...DOCS_PAGE.matchAll(/(?:src|href)="([^"]*)"/g)].map(
    ([, address]) => address ?? '',
  );

  it('loads only what the Pi itself serves', () => {
    assert.ok(addresses.length >= 4);
    for (const address of addresses) {
      assert.ok(address.startsWith('/docs/'), address);
      const asset = docsAsset(address.slice('/docs/'.length));
      assert.ok(asset !== undefined, address);
      if (asset.kind === 'file') assert.ok(existsSync(asset.filePath), asset.filePath);
    }
  });

  it('has no script in the page and allows none, and no other origin', () => {
    assert.doesNotMatch(DOCS_PAGE, /<script(?![^>]*\bsrc=)/);
    assert.doesNotMatch(DOCS_PAGE, /\son\w+=/);
    assert.match(DOCS_CONTENT_SECURITY_POLICY, /default-src 'none'/);
    assert.match(DOCS_CONTENT_SECURITY_POLICY, /script-src 'self'(;|$)/);
    assert.doesNotMatch(DOCS_CONTENT_SECURITY_POLICY, /https?:|\*|unsafe-eval/);
  });

  it('starts the page from a script of its own that asks no validator', () => {
    const init = docsAsset('docs-init.js');
    assert.ok(init?.kind === 'text');
    assert.match(init.text, /validatorUrl: null/);
    assert.match(init.text, /url: '\/api\/openapi\.json'/);
    assert.doesNotMatch(init.text, /https?:/);
  });

  it('gives out nothing else of the package or the machine', () => {
    for (const name of [
      '',
      'package.json',
      'index.html',
      '../package.json',
      '..%2Fpackage.json',
      'swagger-ui-bundle.js.map',
      '/etc/passwd',
      '__proto__',
      'constructor',
    ]) {
      assert.equal(docsAsset(name), undefined, name);
    }
  });
});
