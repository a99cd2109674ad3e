// Light, dark or as the system says; the choice is kept in this browser.

const ORDER = ['auto', 'light', 'dark'];
const KEY = 'tern-theme';

function stored() {
  try {
    const value = localStorage.getItem(KEY);
    return ORDER.includes(value) ? value : 'auto';
  } catch {
    return 'auto';  // storage may be forbidden
  }
}

function keep(theme) {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // then the choice lasts as long as the page
  }
}

// Calls `changed` whenever the colours have changed.
export function startTheme(button, changed) {
  let theme = stored();
  const apply = () => {
    if (theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  button.addEventListener('click', () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    keep(theme);
    apply();
    changed();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed);
  apply();
}
