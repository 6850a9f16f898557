import type { Config, Theme } from './told.ts';

function red(colour: string): readonly number[] {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}

/** Black or white, whichever is more readable on that colour. */
function onColour(colour: string): string {
  const [r = 0, g = 0, b = 0] = red(colour);
  return (r * 299 + g * 587 + b * 114) / 1000 > 125 ? '0,0,0' : '255,255,255';
}

/** The theme's colours and sizes, under the Dashboard's names. */
export function stylesOf({ colors, sizes }: Theme): Readonly<Record<string, string>> {
  const { surface = '', primary = '', bgPage = '', groupBg = '', groupOutline = '' } = colors;
  const named = {
    ...{ background: bgPage, surface: groupBg, primary, 'navigation-background': surface },
    ...{ 'group-background': groupBg, 'group-outline': groupOutline },
  };
  const coloured = Object.entries(named).flatMap(([name, colour]) => [
    [`--v-theme-${name}`, red(colour).join()],
    [`--v-theme-on-${name}`, onColour(colour)],
  ]);
  return {
    ...(Object.fromEntries(coloured) as Record<string, string>),
    '--page-padding': sizes['pagePadding'] ?? '',
    '--group-gap': sizes['groupGap'] ?? '',
    '--group-border-radius': sizes['groupBorderRadius'] ?? '',
    '--widget-gap': sizes['widgetGap'] ?? '',
    'color-scheme': isDark(colors) ? 'dark' : 'light',
  };
}

export function isDark(colors: Theme['colors']): boolean {
  return onColour(colors['bgPage'] ?? '#ffffff') === '255,255,255';
}

export function themeOf(config: Config, pageId: string): Theme | undefined {
  return config.themes[config.pages[pageId]?.theme ?? ''];
}
