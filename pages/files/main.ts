import { h, render } from 'preact';
import { FilesApp } from './files-app.ts';
import { Page } from './view.ts';

const { dataset } = document.documentElement;
const reader = {
  username: dataset['username'] ?? '',
  isAdmin: dataset['isAdmin'] === 'true',
  mayWake: dataset['mayWake'] === 'true',
};

/** Batches many changes into one redraw. */
function drawSoon(draw: () => void): () => void {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    // A hidden page gets no frames, but continues to upload.
    const soon = document.hidden ? setTimeout : requestAnimationFrame;
    soon(() => {
      isAsked = false;
      draw();
    });
  };
}

const app = new FilesApp(reader, window.balupi.locale, drawSoon(draw));

function draw(): void {
  render(h(Page, { app }), document.body);
}

draw();
app.start();
