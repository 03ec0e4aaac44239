/**
 * The frame of every page that people see in their browser, and how values get into it. Much on these pages was chosen
 * by strangers, so every value is escaped, and what could make a text read otherwise is shown as what it is.
 */

/** HTML that may go out as it is: made by `html` here, and by nothing else. */
export class Html {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  toString(): string {
    return this.#text
  }
}

type Value = string | number | Html | readonly Html[] | undefined

/** A piece of HTML; its values are escaped unless they are HTML themselves. */
export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Html {
  const parts = strings.map((text, i) => (i === 0 ? text : shownValue(values[i - 1]) + text))
  return new Html(parts.join(''))
}

function shownValue(value: Value): string {
  if (value === undefined) return ''
  if (value instanceof Html) return value.toString()
  if (Array.isArray(value)) return value.join('\n')
  return shown(String(value))
}

/** Longest text that is shown of one value. */
const SHOWN_MAX = 255

/** Control and direction-changing characters are shown as such. */
export function shown(text: string): string {
  const short = text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text
  return short
    .toWellFormed()
    .replace(
      // oxlint-disable-next-line no-control-regex
      /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
      (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
    .replace(/[&<>"'`]/g, (c) => `&#${c.charCodeAt(0)};`)
}

export interface Page {
  readonly status: number
  readonly title: string
  readonly body: Html
  /** One of our scripts that it runs. */
  readonly script?: 'passkey' | 'hand-on'
}

export const STYLE = `
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem;color:#222;background:#fff}
h1{font-size:1.4rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1rem}
dt{color:#666}
dd{margin:0;overflow-wrap:anywhere}
pre{background:#f3f3f3;padding:.8rem;white-space:pre-wrap;overflow-wrap:anywhere;user-select:all}
.ways{display:grid;gap:.6rem;margin:1.5rem 0;padding:0;list-style:none}
.ways a,button{display:block;width:100%;box-sizing:border-box;padding:.7rem 1rem;border:1px solid #999;border-radius:.4rem;background:none;color:inherit;font:inherit;text-align:center;text-decoration:none;cursor:pointer}
button.main{background:#1f5fbf;border-color:#1f5fbf;color:#fff}
form{margin:.6rem 0}
input[type=text]{width:100%;box-sizing:border-box;padding:.6rem;font:inherit}
.quiet{color:#666;font-size:.9rem}
:focus-visible{outline:3px solid #7aa7ee;outline-offset:2px}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}dt,.quiet{color:#999}pre{background:#262626}}
`

/** The whole document. */
export function document({ title, body, script }: Page): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${shown(title)}</title>
<style>${STYLE}</style>${script === undefined ? '' : `\n<script src="/auth/${script}.js" defer></script>`}
</head>
<body>
<main>
<h1>${shown(title)}</h1>
${body.toString()}
</main>
</body>
</html>
`
}

/** What a page may do: its own style, its script and forms if it has any, and stand in nobody's frame. */
export function policyOf({ script, body }: Page, styleHash: string): string {
  const runs = script !== undefined ? "script-src 'self'; connect-src 'self'; " : ''
  const sends = body.toString().includes('<form') ? "'self'" : "'none'"
  return `default-src 'none'; ${runs}style-src 'sha256-${styleHash}'; base-uri 'none'; form-action ${sends}; frame-ancestors 'none'`
}
