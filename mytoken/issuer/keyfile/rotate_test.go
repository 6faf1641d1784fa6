package keyfile

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// kept is what a service has sealed and signed with its keys.
type kept struct {
	sealed store.Sealed
	token  mytoken.Secret
}

var place = store.Place{Kind: store.PlaceRefreshToken, ID: "id"}

func keep(t *testing.T, keys *mytoken.Keys, ring *seal.Ring) kept {
	t.Helper()
	sealed, err := ring.Seal(place, []byte("value"))
	require.NoError(t, err)
	token, err := keys.Sign(mytoken.Claims{
		Issuer: "https://mytoken.example.org", OIDCIssuer: "https://op.example.org", OIDCSubject: "alice", IssuedAt: time.Now().Unix(), NotBefore: time.Now().Unix(), Capabilities: capability.Set{capability.AT},
	})
	require.NoError(t, err)
	return kept{sealed, token}
}

func (k kept) require(t *testing.T, keys *mytoken.Keys, ring *seal.Ring) {
	t.Helper()
	plain, err := ring.Open(place, k.sealed)
	require.NoError(t, err)
	require.Equal(t, "value", string(plain))
	verifier, err := mytoken.NewVerifier(mytoken.VerifierConfig{Issuer: "https://mytoken.example.org", Keys: keys})
	require.NoError(t, err)
	_, err = verifier.Verify(t.Context(), k.token.Reveal())
	require.NoError(t, err)
}

func rename(t *testing.T, dir, from, to string) {
	t.Helper()
	require.NoError(t, os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)))
}

func link(t *testing.T, dir, from, to string) {
	t.Helper()
	require.NoError(t, os.Link(filepath.Join(dir, from), filepath.Join(dir, to)))
}

// The steps of the package comment replace both keys. At each step, everything that was
// sealed or signed before still opens, on a machine that is one step behind as well.
// proves P5
func TestChangeKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by", "Open")
	keys, ring, err := Open(dir)
	require.NoError(t, err)
	all := []kept{keep(t, keys, ring)}
	first, firstID := ring.Active(), keys.ActiveID()
	step := func(active bool) {
		t.Helper()
		newKeys, newRing, err := Open(dir)
		require.NoError(t, err)
		require.Equal(t, active, newRing.Active() != first)
		require.Equal(t, active, newKeys.ActiveID() != firstID)
		all = append(all, keep(t, newKeys, newRing))
		for _, k := range all {
			k.require(t, newKeys, newRing)
		}
		all[len(all)-1].require(t, keys, ring) // the machine that was not restarted yet
		keys, ring = newKeys, newRing
	}
	require.NoError(t, Prepare(dir))
	before, _, err := Load(dir)
	require.NoError(t, err)
	require.NoError(t, Prepare(dir), "it may be repeated")
	after, _, err := Load(dir)
	require.NoError(t, err)
	require.Equal(t, before.IDs(), after.IDs())
	keys, ring, err = Open(dir)
	require.NoError(t, err)
	step(false)
	link(t, dir, "server.key", "server.old.key")
	link(t, dir, "signing-key.pem", "signing-key.old.pem")
	step(false) // the same key has two names
	rename(t, dir, "server.next.key", "server.key")
	rename(t, dir, "signing-key.next.pem", "signing-key.pem")
	step(true)
	require.NoError(t, os.Remove(filepath.Join(dir, "server.old.key")))
	_, ring, err = Load(dir)
	require.NoError(t, err)
	_, err = ring.Open(place, all[0].sealed)
	require.ErrorIs(t, err, seal.ErrKeyUnknown)
}

// A directory in which the active key is missing beside other ones gets no new key: it
// would lock everybody out, and an old one would be forgotten.
func TestActiveKeyIsMissing(t *testing.T) {
	dir := t.TempDir()
	_, _, err := Open(dir)
	require.NoError(t, err)
	for from, to := range map[string]string{"server.key": "server.2026.key", "signing-key.pem": "signing-key.2026.pem"} {
		rename(t, dir, from, to)
		_, _, err = Open(dir)
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.ErrorContains(t, err, from+" is missing, but "+filepath.Join(dir, to)+" is there")
		require.NoFileExists(t, filepath.Join(dir, from))
		rename(t, dir, to, from)
	}
}

// A program that must get its keys from elsewhere makes none.
func TestLoadMakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	_, _, err := Load(dir)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoDirExists(t, dir)
	require.NoError(t, os.Mkdir(dir, 0o700))
	_, _, err = Load(dir)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "server.key is missing: bring the key of the other machines there")
	_, err = Server(filepath.Join(dir, "server.key"))
	require.NoError(t, err)
	_, _, err = Load(dir)
	require.ErrorContains(t, err, "signing-key.pem is missing")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

// A first start that was killed between the two keys goes on with the first one.
func TestFirstStartIsKilled(t *testing.T) {
	dir := t.TempDir()
	server, err := Server(filepath.Join(dir, "server.key"))
	require.NoError(t, err)
	left := filepath.Join(dir, ".signing-key.pem.X.tmp") // half a key
	require.NoError(t, os.WriteFile(left, []byte("-----BEGIN"), 0o600))
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(left, old, old))
	_, ring, err := Open(dir)
	require.NoError(t, err)
	require.Equal(t, server.ID(), ring.Active())
	require.NoFileExists(t, left)
}

// Processes start again and again while the server key changes. Each of them can open what
// was sealed under the first key.
func TestOpenWhileKeysChange(t *testing.T) {
	dir := t.TempDir()
	key, err := Server(filepath.Join(dir, "server.key"))
	require.NoError(t, err)
	var readers sync.WaitGroup
	var stop atomic.Bool
	var reads [3]atomic.Int64
	for r := range reads {
		readers.Go(func() {
			defer stop.Store(true)
			for ; !stop.Load(); reads[r].Add(1) {
				files, err := read(dir, serverName, false, newServerKey)
				if !assert.NoError(t, err) {
					return
				}
				found := slices.ContainsFunc(files, func(f file) bool { return string(f.text) == key.Reveal() })
				if !assert.True(t, found, "a key was missed") {
					return
				}
			}
		})
	}
	settle := func() {
		for r := range reads {
			for before := reads[r].Load(); reads[r].Load() == before && !stop.Load(); {
				runtime.Gosched()
			}
		}
	}
	name := func(i int) string { return fmt.Sprintf("server.%d.key", i) }
	for i := range 8 {
		_, err := Server(filepath.Join(dir, "server.next.key"))
		require.NoError(t, err)
		settle()
		link(t, dir, "server.key", name(i))
		rename(t, dir, "server.next.key", "server.key")
		settle()
		if i > 0 { // the first key keeps its name
			require.NoError(t, os.Remove(filepath.Join(dir, name(i))))
		}
	}
	stop.Store(true)
	readers.Wait()
}

// An operator may bring keys that other programs made: with a line break at the end, of
// another kind, and of an old key only the public half.
func TestKeysOfOtherPrograms(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, text []byte) {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	server := seal.NewKey()
	write("server.key", []byte(server.Reveal()+"\n"))
	active, err := rsa.GenerateKey(rand.Reader, 3072)
	require.NoError(t, err)
	write("signing-key.pem", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(active)}))
	want := []string{}
	for name, make := range map[string]func() *mytoken.Key{
		"signing-key.a.pem": func() *mytoken.Key { return generated(t, mytoken.ES384) },
		"signing-key.b.pem": func() *mytoken.Key { return generated(t, mytoken.PS256) },
	} {
		key := make()
		der, err := x509.MarshalPKIXPublicKey(key.Public().Key())
		require.NoError(t, err)
		write(name, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		want = append(want, key.ID())
	}
	keys, ring, err := Load(dir)
	require.NoError(t, err)
	require.Equal(t, server.ID(), ring.Active())
	require.NotEmpty(t, keys.ActiveID())
	require.ElementsMatch(t, append(want, keys.ActiveID()), keys.IDs())
	keep(t, keys, ring).require(t, keys, ring)

	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	write("signing-key.c.pem", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(small)}))
	_, _, err = Open(dir)
	require.ErrorIs(t, err, mytoken.ErrKey)
	require.ErrorContains(t, err, "signing-key.c.pem: mytoken: unsuitable key: RSA modulus of 1024 bits, need 2048 to")
	curve, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalECPrivateKey(curve)
	require.NoError(t, err)
	write("signing-key.c.pem", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
	_, _, err = Open(dir)
	require.ErrorContains(t, err, "use a key on P-256, P-384 or P-521")

	const damaged = "hunter2-hunter2"
	for name, want := range map[string]error{
		"signing-key.c.pem": mytoken.ErrKey, "server.c.key": seal.ErrFormat,
	} {
		for _, text := range []string{damaged, "", "-----BEGIN PUBLIC KEY-----\naHVudGVyMg==\n-----END PUBLIC KEY-----\n"} {
			write(name, []byte(text))
			_, _, err = Open(dir)
			require.ErrorIs(t, err, want)
			require.ErrorContains(t, err, name)
			require.NotContains(t, err.Error(), "hunter2")
		}
		require.NoError(t, os.Remove(filepath.Join(dir, name)))
	}
	write("server.c.key", make([]byte, maxFile+1))
	_, _, err = Open(dir)
	require.ErrorContains(t, err, "longer than")
}

// New keys have the default algorithm. A directory whose key has another one, which was
// the default when the key was made or is the operator's choice, goes on with that key:
// the tokens stay valid, and new ones are signed with it until the operator changes it.
func TestKeysKeepTheirAlgorithm(t *testing.T) {
	fresh, ring, err := Open(t.TempDir())
	require.NoError(t, err)
	require.Equal(t, mytoken.ES384, signsWith(t, fresh, ring))

	for _, alg := range []mytoken.Algorithm{mytoken.ES512, mytoken.ES256, mytoken.EdDSA} {
		dir := t.TempDir()
		key := generated(t, alg)
		text, err := key.RevealPEM()
		require.NoError(t, err)
		path := filepath.Join(dir, "signing-key.pem")
		require.NoError(t, os.WriteFile(path, text, 0o600))
		before, ring, err := Open(dir)
		require.NoError(t, err)
		old := keep(t, before, ring)
		for range 2 {
			keys, ring, err := Open(dir)
			require.NoError(t, err)
			require.Equal(t, []string{key.ID()}, keys.IDs())
			require.Equal(t, alg, signsWith(t, keys, ring))
			old.require(t, keys, ring)
		}
		kept, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, text, kept)
		one, err := Signing(path)
		require.NoError(t, err)
		require.Equal(t, key.ID(), one.ID())

		// The next key has the default algorithm, and both check until the old one leaves.
		require.NoError(t, Prepare(dir))
		link(t, dir, "signing-key.pem", "signing-key.old.pem")
		rename(t, dir, "signing-key.next.pem", "signing-key.pem")
		keys, ring, err := Open(dir)
		require.NoError(t, err)
		require.Equal(t, mytoken.ES384, signsWith(t, keys, ring))
		require.Contains(t, keys.IDs(), key.ID())
		old.require(t, keys, ring)
	}
}

// signsWith returns the algorithm of a new token.
func signsWith(t *testing.T, keys *mytoken.Keys, ring *seal.Ring) mytoken.Algorithm {
	t.Helper()
	read, err := mytoken.ParseUnverified(keep(t, keys, ring).token.Reveal())
	require.NoError(t, err)
	return read.Algorithm()
}

func generated(t *testing.T, alg mytoken.Algorithm) *mytoken.Key {
	t.Helper()
	key, err := mytoken.GenerateKey(alg)
	require.NoError(t, err)
	return key
}
