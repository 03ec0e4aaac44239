/** The scripts of our pages, as browsers run them. */

/** Asks the browser for a passkey, or to make one, and says how it went. */
const PASSKEY = `'use strict';
const button = document.getElementById('passkey');
const says = document.getElementById('says');
const { add, next, csrf } = button.dataset;
const query = location.search;

async function post(act, body) {
  const response = await fetch('/auth/passkey/' + act + query, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const reply = await response.json();
  if (!response.ok) throw new Error(reply.message);
  return reply;
}

async function run() {
  if (!window.PublicKeyCredential || !PublicKeyCredential.parseCreationOptionsFromJSON)
    throw new Error('This browser is too old for passkeys.');
  if (add === 'yes') {
    const { state, options } = await post('add-options', { csrf });
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    const credential = await navigator.credentials.create({ publicKey });
    return await post('add-verify', { state, answer: credential.toJSON() });
  }
  const { state, options } = await post('options', {});
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const credential = await navigator.credentials.get({ publicKey });
  return await post('verify', { state, answer: credential.toJSON() });
}

button.addEventListener('click', async () => {
  button.disabled = true;
  says.textContent = '';
  try {
    location.assign((await run()).next || next);
  } catch (error) {
    says.textContent = error.name === 'NotAllowedError' ? 'Nothing was chosen. Try again.' : error.message;
    button.disabled = false;
  }
});
`

/** Sends the page's form: what a person would do by its button. */
const HAND_ON = `'use strict';
document.forms[0].submit();
`

/** By path. */
export const SCRIPTS: ReadonlyMap<string, string> = new Map([
  ['/auth/passkey.js', PASSKEY],
  ['/auth/hand-on.js', HAND_ON],
])
