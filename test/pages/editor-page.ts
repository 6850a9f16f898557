import type { Page } from 'playwright-core';
import { ADMIN } from './running-balupi.ts';

/** Opens the editor and signs in as the practice NAS's admin. */
export async function signIn(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.fill('#node-dialog-login-username', ADMIN.username);
  await page.fill('#node-dialog-login-password', ADMIN.password);
  await page.click('#node-dialog-login-submit');
  await page.waitForSelector('#red-ui-workspace-tabs li');
  await page.waitForSelector('.red-ui-palette-node[data-palette-type="balupi-wol"]');
  await page.addStyleTag({ content: '* { transition: none !important }' });
  await page.evaluate('$.fx.off = true');
}

/** Imports flows by the dialog *Import*, as an owner pastes them or picks an example. */
export async function importFlows(page: Page, text: string): Promise<void> {
  await page.evaluate(`RED.actions.invoke('core:show-import-dialog')`);
  await page.waitForSelector('#red-ui-clipboard-dialog-import-text', { state: 'visible' });
  await page.fill('#red-ui-clipboard-dialog-import-text', text);
  await page.dispatchEvent('#red-ui-clipboard-dialog-import-text', 'keyup');
  await page.click('#red-ui-clipboard-dialog-ok:not([disabled])');
  await page.waitForSelector('#red-ui-clipboard-dialog-import-text', { state: 'hidden' });
}

/** Texts of the editor's current notifications. */
export async function notices(page: Page): Promise<readonly string[]> {
  return await page.$$eval('.red-ui-notification', (found) =>
    found.map((one) => (one.textContent ?? '').replace(/\s+/g, ' ').trim()),
  );
}

/** Deploys, and waits for the server. @returns its status */
export async function deploy(page: Page): Promise<number> {
  const deployed = page.waitForResponse(
    (response) => response.request().method() === 'POST' && response.url().endsWith('/flows'),
  );
  await page.click('#red-ui-header-button-deploy');
  return (await deployed).status();
}

/** Opens a node's dialog, does something in it, and closes it with *Done*. */
export async function edit(page: Page, id: string, act: () => Promise<void>): Promise<void> {
  await page.evaluate(`RED.editor.edit(RED.nodes.node(${JSON.stringify(id)}))`);
  await page.waitForSelector('#node-input-name', { state: 'visible' });
  await act();
  // The dialog takes no clicks while it slides in; the editor raises it above its shade after that.
  await page.waitForFunction(
    `document.querySelector('#red-ui-editor-stack').style.zIndex === '13'`,
  );
  await page.click('#node-dialog-ok');
  await page.waitForSelector('#node-input-name', { state: 'detached' });
}

export async function press(page: Page, id: string): Promise<void> {
  await page.evaluate(`$.ajax({ url: 'inject/${id}', type: 'POST', data: '{}' })`);
}
