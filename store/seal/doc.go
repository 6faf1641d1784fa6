// Package seal keeps secrets at rest: refresh tokens, the keys of grants, the
// payloads of codes. What a [store.Store] holds went through this package, so
// that the database alone is worthless, and so that even together with the
// server's keys it opens a grant only for who holds a token of that grant.
//
// # Which part for which need
//
//   - An issuer makes a [Ring] from its server keys. [Ring.Seal] is one layer,
//     under a server key. [Ring.SealWith] is two: below the server key lies
//     one that the database and the server do not have, a [DataKey] or a
//     [Secret] made from a token or a code.
//   - [Ring.Lookup] and [ShortTokenID] turn codes and short tokens into the
//     ids under which they are stored.
//   - [Rewrap] moves everything under a new server key, while requests run.
//   - A service that has to keep whole tokens (a launcher with a queue of
//     jobs) puts them into a [Box], under a key of its own.
//
// The chain from a presented mytoken to its refresh token is
//
//	refresh token, at its grant and generation   under the grant's DataKey
//	the grant's DataKey, at a token and seq_no   under FromSecret(PurposeTokenKey, compact token)
//
// and both are sealed with [Ring.SealWith]: a copy of the DataKey for every
// token of the tree, the refresh token once.
//
// # Keys
//
// A server key is a [Key]: 32 random bytes and an id. Make one with [NewKey],
// store what [Key.Reveal] returns where the service's other credentials are,
// away from the database and its backups, and read it with [ParseKey]. Losing
// the server keys loses every grant: users have to log in again. To replace
// the key A by B:
//
//  1. Give every node B as one of [RingConfig.Others], A stays active.
//  2. Make B active on every node, A one of Others.
//  3. Run [Rewrap] until it returns no error, or no other than a
//     [RewrapError] about values that are known to be lost. It may be stopped
//     and repeated at any time.
//  4. Wait as long as codes live (minutes): they are looked up under the key
//     that was active when they were made, and Rewrap cannot change that.
//  5. Take A away.
//
// What is kept outside the store, backups for example, still needs A, and so
// does whatever a [Box] holds until [Box.Reseal] went over it.
//
// # What it does not do
//
// The length of a plaintext shows: a sealed value is 37 bytes longer than what
// it holds, 65 with two layers. An older value of the same place is accepted
// when somebody who can write to the database puts it back; generations and
// seq_no are part of the place for that reason. Secrets are not wiped from
// memory.
//
// # Format
//
// All numbers are big endian, nothing is padded. A sealed value is
//
//	offset  bytes
//	     0      1  format: 1 one layer, 2 two layers, 3 box
//	     1      8  id of the server key
//	     9     12  nonce
//	    21      n  outer ciphertext
//	  21+n     16  tag
//
// The outer layer is AES-256-GCM (NIST SP 800-38D). Its additional data is the
// first nine bytes followed by the binding: [store.Place.AAD] for formats 1
// and 2, the row's name for format 3. In format 2 its plaintext is the inner
// value:
//
//	offset  bytes
//	     0     12  nonce
//	    12      n  inner ciphertext
//	  12+n     16  tag
//
// The inner layer is AES-256-GCM too, with the binding as additional data. Keys
// come from HKDF-SHA256 (RFC 5869); K is the server key, Expand is used alone
// because K is uniformly random:
//
//	key id         Expand(K, "mytoken seal v1 key id", 8)
//	store key      Expand(K, "mytoken seal v1 store", 32)
//	box key        Expand(K, "mytoken seal v1 box", 32)
//	look-up key    Expand(K, "mytoken seal v1 look-up", 32)
//	outer key      Expand(store key or box key, binding, 32)
//	inner key      the 32 bytes of a DataKey, or for a Secret
//	               HKDF(salt none, secret, "mytoken seal v1 secret: " ‖ purpose, 32)
//	look-up id     HMAC-SHA256(look-up key, ticket kind (1 byte) ‖ code)
//	short token id SHA-256(short token)
//
// The text of a Key is "mytoken-seal-key-1-" and the URL-safe base64, without
// padding, of its 32 bytes and the first four bytes of its id.
//
// A format number stands for everything in this section. It never changes
// meaning; other algorithms would take other numbers.
//
// # Nonces
//
// Nonces are random, 96 bits, from [crypto/cipher.NewGCMWithRandomNonce], so
// one AES key must not seal more than 2^32 messages. A busy issuer would seal
// as many under one server key within weeks. Therefore every place has an
// outer key of its own, and the bound applies to one place, or to one row of a
// Box: it would take a description of a token, or a row, rewritten once a
// second for 136 years. The other places carry a generation, and what is
// sealed there is sealed a few times, by repeats, races and [Rewrap].
//
// Inner keys need no such derivation. The key of a Secret belongs to one
// purpose of one token generation or one code, and seals a message or two. A
// DataKey seals the refresh tokens of one grant, one for each refresh, or what
// belongs to one login.
package seal
