// Package keyfile keeps the keys of an issuer in files. [Open] reads both kinds of keys
// from a directory, and makes them when a program starts for the first time:
//
//	server.key       seals what the store holds; see package seal
//	signing-key.pem  signs the mytokens
//
// Store a copy of both files safely, away from the database. Losing one of them
// invalidates every login.
//
// Only the owner can read a file that this package makes (mode 0600). The file is never
// there in part. A file that other users can read, write or replace is refused. A platform
// may hand the files to the program: systemd with LoadCredential=, or Kubernetes with a
// volume of a secret. Such a directory may be read-only. No error shows any part of a key.
//
// # Several machines
//
// Processes that share a store need the same keys. Processes of one machine may share the
// directory. For several machines, make the files once, and bring copies of them to each
// machine. Let the program call [Load] there. It makes no keys, so that a machine without
// its files does not start with other ones.
//
// # Changing keys
//
// The directory may hold more keys. They only open and check; nothing new is sealed or
// signed with them. A signing key keeps its algorithm, whatever the algorithm of new keys.
// In these names, * stands for letters of your choice:
//
//	server.*.key       an older server key, or the next one
//	signing-key.*.pem  an older signing key, or the next one; its public half suffices
//
// To replace a key without losing a login, take each step on all machines before the next
// one. These are the steps for the server key:
//
//  1. Call [Prepare] with the directory. It makes server.next.key. Bring that file to all
//     machines, and restart the program.
//  2. Run ln server.key server.old.key && mv server.next.key server.key, and restart the
//     program. It seals with the next key from now on, and the old one still opens.
//  3. Call [issuer.Issuer.Rewrap]. Wait a few minutes, as package seal says.
//  4. Remove server.old.key, and restart the program.
//
// Step 1 and step 2 are the same for the signing key, whose files are signing-key.pem,
// signing-key.next.pem and signing-key.old.pem. Remove its old file when the last token
// that it signed has expired. After a theft of the signing key, remove every next key that
// the thief may have seen too, and call [Prepare]. Move the next key over the stolen one at
// once and keep no old file; all tokens are invalid then.
//
// [issuer.Issuer.Rewrap]: https://pkg.go.dev/github.com/mytoken-go/sdk/mytoken/issuer#Issuer.Rewrap
package keyfile
