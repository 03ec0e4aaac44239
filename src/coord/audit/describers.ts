/**
 * Who describes which kind of record: every kind has its line here, or it does not compile. So nothing that anybody
 * changes can be forgotten, whichever part of the server changes it.
 */

import type { Kind } from '../model/records.ts'
import { describeContacts, describeIntegration, describeService } from './account.ts'
import { describeAttributes } from './attributes.ts'
import { describeLogstream, describeWebhook } from './deliveries.ts'
import { silent } from './describer.ts'
import type { Describer } from './describer.ts'
import { describeDirectoryGroup, describeDirectoryUser } from './directory.ts'
import { describeDns } from './dns.ts'
import { describeExpiries } from './expiries.ts'
import { describeKey } from './keys.ts'
import { describeLogin } from './logins.ts'
import { describeNode } from './nodes.ts'
import { describeIdentity, describePasskey, describeProvider, describeSession, describeTicket } from './people.ts'
import { describePolicy, describeProposal } from './policies.ts'
import { describeSshCheck } from './ssh-checks.ts'
import { describeTailnet } from './tailnets.ts'
import { describeUser } from './users.ts'

export const DESCRIBERS: { readonly [K in Kind]: Describer<K> } = {
  tailnet: describeTailnet,
  login: describeLogin,
  user: describeUser,
  node: describeNode,
  key: describeKey,
  attributes: describeAttributes,
  expiries: describeExpiries,
  dns: describeDns,
  provider: describeProvider,
  identity: describeIdentity,
  'directory-user': describeDirectoryUser,
  'directory-group': describeDirectoryGroup,
  session: describeSession,
  ticket: describeTicket,
  passkey: describePasskey,
  'ssh-check': describeSshCheck,
  webhook: describeWebhook,
  logstream: describeLogstream,
  contacts: describeContacts,
  'posture-integration': describeIntegration,
  service: describeService,
  policy: describePolicy,
  'policy-proposal': describeProposal,
  // Whether a machine is connected is nobody's doing.
  presence: silent,
  // Nor is which of several routers is used; who may route is in the log.
  'route-order': silent,
  // What the node that holds them says already.
  address: silent,
  name: silent,
  // When a token was last used; what it was used for is in the log.
  'key-use': silent,
  // What a client does with its access tokens is in the log, with the client's name.
  'access-token': silent,
  // Somebody on the way to their provider; where they arrive, a session says.
  'sign-in': silent,
  // The same text that `policy` has.
  'policy-version': silent,
  // How far a delivery has come, and which server delivers, is nobody's doing.
  delivery: silent,
  lease: silent,
  // What users and tailnets say already.
  holder: silent,
}
