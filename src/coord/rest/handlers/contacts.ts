/** Answers the routes about whom to write to about a tailnet. */

import type { contactRoutes } from '../../../wire/api/routes/contacts.ts'
import { done, refuse } from '../answer.ts'
import type { Handlers } from '../call.ts'
import { contactsOf, setContact } from '../changes/contacts.ts'

export const contactHandlers: Handlers<keyof typeof contactRoutes> = {
  getContacts: ({ at }) => done(contactsOf(at.tailnet)),
  patchContact: ({ change }, { params, body }) => change((at) => setContact(at, params.contactType, body.email)),
  resendContactVerification: (_, { params }) =>
    refuse(400, `The ${params.contactType} contact waits for no confirmation: this server sends no mail`),
}
