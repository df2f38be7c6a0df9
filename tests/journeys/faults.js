// What a screen reader and a thumb need, asked of a page: names for everything that can be used, one main heading, no id twice.
() => {
    const faults = [];
    const named = (e) => (e.getAttribute('aria-label') || e.textContent || e.title || '').trim()
        || (e.getAttribute('aria-labelledby') && document.getElementById(e.getAttribute('aria-labelledby')));
    for (const e of document.querySelectorAll('button, a[href], summary')) if (!named(e)) faults.push('no name: ' + e.outerHTML);
    for (const e of document.querySelectorAll('input:not([type=hidden]), select, textarea'))
        if (!e.labels?.length && !e.getAttribute('aria-label')) faults.push('no label: ' + e.outerHTML);
    const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
    for (const id of new Set(ids)) if (ids.filter((i) => i === id).length > 1) faults.push('id twice: ' + id);
    if (document.querySelectorAll('h1').length !== 1) faults.push('main headings: ' + document.querySelectorAll('h1').length);
    for (const e of document.querySelectorAll('img')) if (!e.hasAttribute('alt')) faults.push('no alt: ' + e.outerHTML);
    for (const e of document.querySelectorAll('button, .button, input:not([type=hidden]), select, summary')) {
        const box = e.getBoundingClientRect();
        const target = e.closest('label')?.getBoundingClientRect() ?? box;
        if (box.width && (Math.max(box.height, target.height) < 24 || Math.max(box.width, target.width) < 24)) faults.push('small: ' + e.outerHTML);
    }
    if (document.documentElement.scrollWidth > innerWidth) faults.push('scrolls sideways: ' + document.documentElement.scrollWidth);
    if (!document.documentElement.lang) faults.push('no language');
    return faults;
}
