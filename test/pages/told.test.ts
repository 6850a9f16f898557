import assert from 'node:assert/strict';
import { nextTick, watchEffect } from 'vue';
import { type Config, Told } from '../../pages/dashboard/told.ts';

const SEEN = { enabled: true, visible: true, class: '' };
const CONFIG: Config = {
  ...{ dashboards: {}, pages: {}, groups: {}, themes: {} },
  widgets: { a: { id: 'a', type: 'ui-template', props: {}, state: SEEN } },
};

describe('What a light page was told', () => {
  it('has widgets placed again for a state that is another, and for no other message', async () => {
    const told = new Told();
    told.configure(CONFIG);
    const placed: unknown[] = [];
    watchEffect(() => placed.push(told.states['a']?.['visible']));
    const seen = async (): Promise<readonly unknown[]> => {
      await nextTick();
      return placed.splice(0);
    };
    assert.deepEqual(await seen(), [true]);
    told.hear('a', { payload: 1 });
    told.load('a', { payload: 2 }, SEEN);
    told.configure(CONFIG);
    assert.deepEqual(await seen(), []);
    assert.equal(told.messages['a']?.['payload'], 2);
    told.hear('a', { payload: 3, visible: false });
    assert.deepEqual(await seen(), [false]);
    told.hear('a', { ui_update: { class: 'mine' } });
    assert.equal(told.states['a']?.['class'], 'mine');
  });
});
