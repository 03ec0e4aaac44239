/**
 * The calls of OpenSSL that ChaCha20-Poly1305 takes, past `node:crypto`: what evp-chacha.ts and evp-in-place.ts have in
 * common. Addresses and how long a key stays at one are theirs.
 */

import { nativeFunctions, NULL } from './raw-memory.ts'
import type { Address, Handle } from './raw-memory.ts'

/** From OpenSSL's evp.h. */
export const EVP_CTRL_AEAD_GET_TAG = 0x10
export const EVP_CTRL_AEAD_SET_TAG = 0x11

export type Init = (context: Handle, type: Handle, engine: Handle, key: Address, nonce: Address) => number
export type Update = (context: Handle, out: Address, written: Address, from: Address, length: number) => number
export type Final = (context: Handle, out: Address, written: Address) => number

export interface OpenSsl {
  EVP_CIPHER_CTX_new(): Handle
  EVP_CIPHER_CTX_ctrl(context: Handle, what: number, length: number, at: Address): number
  EVP_chacha20_poly1305(): Handle
  EVP_EncryptInit_ex: Init
  EVP_EncryptUpdate: Update
  EVP_EncryptFinal_ex: Final
  EVP_DecryptInit_ex: Init
  EVP_DecryptUpdate: Update
  EVP_DecryptFinal_ex: Final
  ERR_clear_error(): void
}

const INIT = '(int64_t context, int64_t type, int64_t engine, int64_t key, int64_t nonce)'
const UPDATE = '(int64_t context, int64_t out, int64_t written, int64_t from, int length)'
const FINAL = '(int64_t context, int64_t out, int64_t written)'

const PROTOTYPES: { readonly [Name in keyof OpenSsl]: string } = {
  EVP_CIPHER_CTX_new: 'int64_t EVP_CIPHER_CTX_new()',
  EVP_CIPHER_CTX_ctrl: 'int EVP_CIPHER_CTX_ctrl(int64_t context, int what, int length, int64_t at)',
  EVP_chacha20_poly1305: 'int64_t EVP_chacha20_poly1305()',
  EVP_EncryptInit_ex: `int EVP_EncryptInit_ex${INIT}`,
  EVP_EncryptUpdate: `int EVP_EncryptUpdate${UPDATE}`,
  EVP_EncryptFinal_ex: `int EVP_EncryptFinal_ex${FINAL}`,
  EVP_DecryptInit_ex: `int EVP_DecryptInit_ex${INIT}`,
  EVP_DecryptUpdate: `int EVP_DecryptUpdate${UPDATE}`,
  EVP_DecryptFinal_ex: `int EVP_DecryptFinal_ex${FINAL}`,
  ERR_clear_error: 'void ERR_clear_error()',
}

/** @throws Error where raw memory or the functions are not to be had */
export function evpFunctions(): OpenSsl {
  return nativeFunctions<OpenSsl>(PROTOTYPES)
}

/** A context that knows its cipher and wants a key. */
export function newContext(ssl: OpenSsl, init: Init): Handle {
  const context = ssl.EVP_CIPHER_CTX_new()
  const type = ssl.EVP_chacha20_poly1305()
  // Neither fits a double when the system tags its pointers: then koffi gives a bigint.
  if (typeof context !== 'number' || typeof type !== 'number' || context === NULL || type === NULL)
    throw new Error('Cannot make a context of ChaCha20-Poly1305')
  if (init(context, type, NULL, NULL, NULL) !== 1) throw failure(ssl, 'prepare')
  return context
}

/** OpenSSL keeps errors for each thread, and would show this one to the next TLS connection that reads. */
export function failure(ssl: OpenSsl, what: string): Error {
  ssl.ERR_clear_error()
  return new Error(`Cannot ${what} by ChaCha20-Poly1305: OpenSSL refused`)
}
