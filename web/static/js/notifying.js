// The browser's own notifications: asked for only by a press, shown only while nobody looks at the page.

export const mayNotify = () => 'Notification' in window && Notification.permission === 'granted';

export function tell(title, body) {
  if (!document.hidden || !mayNotify()) return;
  try { new Notification(title, { body, tag: 'onsale' }); } catch { /* Some phones know only those of a service worker. */ }
}
