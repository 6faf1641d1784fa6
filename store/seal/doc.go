// Package seal protects secrets at rest: refresh tokens, the keys of grants, the payloads
// of codes. Everything secret in a [store.Store] goes through this package. So the
// database alone is worthless to a thief. Even with the server's keys, a thief can open a
// grant only with a token of that grant.
//
// # Which part for which need
//
//   - An issuer makes a [Ring] from its server keys. [Ring.Seal] seals in one layer,
//     under a server key. [Ring.SealWith] seals in two layers. The key of the inner layer
//     is a [DataKey], or a [Secret] made from a token or a code. Neither the database nor
//     the server has that key.
//   - [Ring.Lookup], [ShortTokenID] and [SSHKeyID] turn codes, short tokens and SSH keys
//     into the ids under which they are stored.
//   - [Rewrap] puts everything in a store under a new server key, while requests run.
//   - A service that has to keep whole tokens, such as a launcher with a queue of jobs,
//     puts them into a [Box], under a key of its own.
//
// The chain from a presented mytoken to its refresh token is
//
//	refresh token, at its grant and generation   under the grant's DataKey
//	the grant's DataKey, at a token and seq_no   under FromSecret(PurposeTokenKey, compact token)
//
// [Ring.SealWith] seals both: the refresh token once, and a copy of the DataKey for every
// token of the grant.
//
// # Keys
//
// A server key is a [Key]: 32 random bytes and an id. Make one with [NewKey]. Store the
// text that [Key.Reveal] returns with the service's other credentials, away from the
// database and its backups. Read it with [ParseKey]. If you lose the server keys, you
// lose every grant: all users have to log in again. To replace key A by key B:
//
//  1. On every node, add B to [RingConfig.Others]. A stays active.
//  2. On every node, make B active and move A to Others.
//  3. Run [Rewrap] until it returns no error, or only a [*RewrapError] about values that
//     you know to be lost. You may stop and repeat it at any time.
//  4. Wait a few minutes, until all codes made before step 2 have expired. A code is
//     stored under an id that depends on the key that was active when the code was made.
//     Rewrap cannot change that id.
//  5. Remove A.
//
// Copies outside the store, such as backups, still need A. So does every value of a [Box]
// under A until [Box.Reseal] has put it under B.
//
// # What it does not do
//
// The package does not hide the length of a plaintext: a sealed value is 37 bytes longer,
// or 65 bytes with two layers. It cannot detect that somebody with write access to the
// database has put back an older value of the same place. For that reason generations and
// seq_no are part of the place. It does not wipe secrets from memory.
//
// # Format
//
// All numbers are big endian. Nothing is padded. A sealed value is
//
//	offset  bytes
//	     0      1  format: 1 one layer, 2 two layers, 3 box
//	     1      8  id of the server key
//	     9     12  nonce
//	    21      n  outer ciphertext
//	  21+n     16  tag
//
// The outer layer is AES-256-GCM (NIST SP 800-38D). Its additional data is the first nine
// bytes followed by the binding. The binding is [store.Place.AAD] for formats 1 and 2,
// and the row's name for format 3. In format 2 the plaintext of the outer layer is the
// inner value:
//
//	offset  bytes
//	     0     12  nonce
//	    12      n  inner ciphertext
//	  12+n     16  tag
//
// The inner layer is AES-256-GCM too, with the binding as additional data. Keys come from
// HKDF-SHA256 (RFC 5869). K is the server key. It is uniformly random, so Expand is used
// without Extract:
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
//	SSH key id     SHA-256(f("mytoken seal v1 ssh key") ‖ f(fingerprint) ‖ f(SSH user)),
//	               where f(s) is the length of s in bytes (8 bytes), and s
//
// The text of a Key is "mytoken-seal-key-1-", followed by the URL-safe base64, without
// padding, of its 32 bytes and the first four bytes of its id.
//
// A format number stands for everything in this section. Its meaning never changes. Other
// algorithms would get other numbers.
//
// # Nonces
//
// Nonces are 96 random bits, from [crypto/cipher.NewGCMWithRandomNonce]. So one AES key
// must not seal more than 2^32 messages. A busy issuer would seal that many under one
// server key within weeks. Therefore every place has an outer key of its own, and the
// bound applies to one place or to one row of a Box. A service reaches the bound if it
// rewrites the description of a token, an item, or a row, once a second for 136 years.
// Every other place belongs to one generation or one ticket. Only repeats, races and
// [Rewrap] seal there again, a few times.
//
// Inner keys need no such derivation. The key of a Secret belongs to one purpose of one
// token generation or of one code, and seals one or two messages. A DataKey seals the
// refresh tokens of one grant, one for each refresh, or the payloads of one login.
package seal
